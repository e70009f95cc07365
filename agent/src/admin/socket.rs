//! The unix socket for this host's root: who can open it may see everything.
//!
//! In: a path. Out: a listener that only the agent's own user can connect to. Must not know: what is served.

use std::{
    fs, io,
    os::unix::{
        fs::FileTypeExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::{fs::Mode, process::umask};

/// A socket that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {error}{}", path.display(), remedy(.error))]
pub struct SocketError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another goroscope serves it: stop that, or choose another path (--debug-socket)",
        io::ErrorKind::AlreadyExists => "; it is there and no socket: choose another path (--debug-socket)",
        io::ErrorKind::NotFound => "; make its directory, which only root may write to",
        _ => "",
    }
}

/// A socket in the file system; it goes with this value.
#[derive(Debug)]
pub struct DebugSocket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever removed it before has done no harm.
        let _ = fs::remove_file(&self.0);
    }
}

/// Takes a path. A socket that an agent left behind that was killed is replaced. Sets the process's umask for a moment: before there are
/// threads that make files.
///
/// # Errors
/// Somebody listens there, it is a file of another kind, or the directory does not allow it.
pub fn bind_socket(path: &Path) -> Result<DebugSocket, SocketError> {
    let bind = || {
        make_room(path)?;
        // Not chmod afterwards: between the two others could connect.
        let before = umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound?;
        let file = SocketFile(path.to_owned());
        listener.set_nonblocking(true)?;
        Ok(DebugSocket { listener, file })
    };
    bind().map_err(|error| SocketError { path: path.to_owned(), error })
}

fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
