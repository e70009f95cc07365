//! One executable file: what tells it from others, and the facts about it.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    sync::Arc,
};

use goroscope_gobin::{FileOffset, GoBinary, ReadError, Source};

/// What the analysed bytes of an executable are. Equal ids mean equal facts, whatever the files are called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecutableId {
    /// Go's build id, else the GNU build id. Empty when the linker was told to write none: such an id equals nobody's.
    pub build_id: String,
    /// Bytes in the file.
    pub size: u64,
    /// SHA-256 over what was read, where, and in which order.
    pub digest: [u8; 32],
}

/// What `stat` says of a file. One real inode can show under several devices: overlayfs has one for each mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the bytes: seconds, nanoseconds.
    pub mtime: (i64, i64),
    /// Last change of the inode: seconds, nanoseconds.
    pub ctime: (i64, i64),
}

impl From<&Metadata> for Inode {
    fn from(stat: &Metadata) -> Self {
        Self {
            dev: stat.dev(),
            ino: stat.ino(),
            size: stat.size(),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            ctime: (stat.ctime(), stat.ctime_nsec()),
        }
    }
}

/// An analysed executable. While it lives its file is open, so its inode number cannot become another file's.
#[derive(Debug)]
pub struct Executable {
    /// What its bytes are.
    pub id: ExecutableId,
    /// Which file it is.
    pub inode: Inode,
    /// The file, open for reading.
    pub file: File,
    /// The facts; shared with other files of the same id.
    pub binary: Arc<GoBinary>,
}

impl Source for Executable {
    fn size(&self) -> u64 {
        self.inode.size
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        read_exact_at(&self.file, offset, out)
    }
}

/// `pread` until `out` is full.
pub(crate) fn read_exact_at(file: &File, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
    let length = out.len();
    file.read_exact_at(out, offset.0).map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::PastEnd { offset, length },
        _ => ReadError::Io { offset, length, source },
    })
}
