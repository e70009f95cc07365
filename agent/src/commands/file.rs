//! Files that commands write. Input nouns: a path, bytes. Must not know what they say.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// Writes a file that is never seen half written. What is there and is no file, as a pipe, a device or a link, is written to as it is;
/// `-` is standard output.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_standard_output(path) {
        let mut stdout = io::stdout().lock();
        return stdout.write_all(bytes).and_then(|()| stdout.flush());
    }
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => replace(path, bytes, Some(there.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, bytes, None),
        _ => pass_on(path, bytes),
    }
}

/// Whether what is written there goes where a command's own words go.
pub(super) fn is_standard_output(path: &Path) -> bool {
    [Path::new("-"), Path::new("/dev/stdout")].contains(&path)
}

/// Puts a new file in the place of what is there.
fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it needs a file name"))?);
    name.push(format!(".{}", std::process::id()));
    let temporary = folder(path).join(name);
    // What others have put there is not followed, nor overwritten.
    let mut file = fs::File::create_new(&temporary)?;
    // Before anything is in it: who must not read the one must not read the other.
    let written = permissions
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // The error that is told is the first one.
        let _ = fs::remove_file(&temporary);
    })
}

/// Writes to what is there. A pipe that nobody reads is an error, and no reason to wait.
fn pass_on(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC;
    let mut there = fs::File::from(rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty())?);
    rustix::fs::fcntl_setfl(&there, OFlags::empty())?;
    there.write_all(bytes)
}

/// Where a file is, or is to be.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt as _, symlink},
        process::Command,
        thread,
    };

    use super::*;

    #[test]
    fn what_is_written_takes_the_place_of_a_file_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("new"), b"one").unwrap();
        fs::set_permissions(at("new"), fs::Permissions::from_mode(0o600)).unwrap();
        write(&at("new"), b"two").unwrap();
        assert_eq!(fs::metadata(at("new")).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(at("new"), at("link")).unwrap();
        write(&at("link"), b"3").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("new")).unwrap(), "3");

        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        assert!(write(&at("pipe"), b"4").is_err(), "nobody reads");
        let pipe = at("pipe");
        let reader = thread::spawn(move || fs::read_to_string(pipe).unwrap());
        // wait: for the reader to open it
        while write(&at("pipe"), b"5").is_err() {
            thread::yield_now();
        }
        assert_eq!(reader.join().unwrap(), "5");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());

        let planted = at(&format!(".report.{}", std::process::id()));
        symlink(at("new"), &planted).unwrap();
        assert!(write(&at("report"), b"6").is_err() && planted.is_symlink(), "what others put there is left alone");
        assert_eq!(fs::read_to_string(at("new")).unwrap(), "3");

        assert!(write(&at("nowhere/file"), b"7").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left of what was written first");
    }
}
