//! Files that commands write. Input nouns: a path, bytes. Must not know what they say.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Writes a file that is never seen half written. What is there and is no file, as a pipe or a terminal, is written to as it is; `-` is
/// standard output.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        return io::stdout().lock().write_all(bytes);
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::File::options().write(true).open(path)?.write_all(bytes);
    }
    // A link stays, and leads to the file.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it needs a file name"))?);
    name.push(format!(".{}", std::process::id()));
    let temporary = folder(path).join(name);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // The error that is told is the first one.
        let _ = fs::remove_file(&temporary);
    })
}

/// Where a file is, or is to be.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process::Command, thread};

    use super::*;

    #[test]
    fn what_is_written_takes_the_place_of_a_file_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("new"), b"1").unwrap();
        symlink(at("new"), at("link")).unwrap();
        write(&at("link"), b"2").unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(fs::read_to_string(at("new")).unwrap(), "2");

        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let pipe = at("pipe");
        let reader = thread::spawn(move || fs::read_to_string(pipe).unwrap());
        write(&at("pipe"), b"3").unwrap();
        assert_eq!(reader.join().unwrap(), "3");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());

        assert!(write(&at("nowhere/file"), b"4").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left of what was written first");
    }
}
