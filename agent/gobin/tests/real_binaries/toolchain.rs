//! Building the target program with a given Go release in a given form.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use goroscope_gobin::{FileOffset, ReadError, Source};

/// One release of each minor version that is supported.
pub(crate) const RELEASES: [&str; 9] = ["1.19.13", "1.20.14", "1.21.13", "1.22.12", "1.23.12", "1.24.11", "1.25.5", "1.26.6", "1.27.3"];

/// How to build, and what is done to the file afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Stripped,
    Pie,
    PieStripped,
    External,
    ExternalStripped,
    ExternalPie,
    ExternalPieStripped,
    StaticPie,
    /// Stripped, and the ELF header says that there are no section headers.
    NoSections,
    /// As [`Form::ExternalPieStripped`] without section headers: everything must be searched for.
    ExternalPieNoSections,
    /// Stripped, and all traces of build info are gone, as in esbuild.
    NoBuildInfo,
}

impl Form {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Stripped | Self::NoSections | Self::NoBuildInfo => &["-ldflags=-s -w"],
            Self::Pie => &["-buildmode=pie"],
            Self::PieStripped => &["-buildmode=pie", "-ldflags=-s -w"],
            Self::External => &["-ldflags=-linkmode=external"],
            Self::ExternalStripped => &["-ldflags=-linkmode=external -s -w"],
            Self::ExternalPie => &["-buildmode=pie", "-ldflags=-linkmode=external"],
            Self::ExternalPieStripped | Self::ExternalPieNoSections => &["-buildmode=pie", "-ldflags=-linkmode=external -s -w"],
            Self::StaticPie => &["-buildmode=pie", "-ldflags=-linkmode=external -s -w -extldflags=-static-pie"],
        }
    }

    pub(crate) fn stripped(self) -> bool {
        !matches!(self, Self::Plain | Self::Pie | Self::External | Self::ExternalPie)
    }

    pub(crate) fn position_independent(self) -> bool {
        !matches!(self, Self::Plain | Self::Stripped | Self::External | Self::ExternalStripped | Self::NoSections | Self::NoBuildInfo)
    }

    pub(crate) fn external(self) -> bool {
        matches!(
            self,
            Self::External
                | Self::ExternalStripped
                | Self::ExternalPie
                | Self::ExternalPieStripped
                | Self::ExternalPieNoSections
                | Self::StaticPie
        )
    }

    pub(crate) fn has_sections(self) -> bool {
        !matches!(self, Self::NoSections | Self::ExternalPieNoSections)
    }
}

/// A file as the agent reads it.
pub(crate) struct Executable {
    file: File,
    size: u64,
    pub(crate) path: PathBuf,
}

impl Executable {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size, path: path.to_owned() })
    }
}

impl Source for Executable {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: FileOffset, out: &mut [u8]) -> Result<(), ReadError> {
        self.file.read_exact_at(out, offset.0).map_err(|source| ReadError::Io { offset, length: out.len(), source })
    }
}

/// Builds `tests/program` into `directory`. A missing toolchain fails the test: what is not tried is not supported.
pub(crate) fn build(directory: &Path, release: &str, goarch: &str, form: Form) -> Executable {
    let output = directory.join(format!("{release}-{goarch}-{form:?}"));
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&output)
        .args(form.arguments())
        // Go 1.19 and 1.20 do not find the package by its folder when the module is newer than they are.
        .arg("main.go")
        .current_dir(program)
        .env("GOTOOLCHAIN", format!("go{release}"))
        .env("GOARCH", goarch)
        .env("CGO_ENABLED", if form.external() { "1" } else { "0" })
        .env("GOFLAGS", "-p=2 -buildvcs=false")
        .output();
    let built = match built {
        Ok(built) => built,
        Err(error) => panic!("these tests need the Go toolchain in PATH: {error}"),
    };
    assert!(
        built.status.success(),
        "go{release} {goarch} {form:?}: the build failed (is the toolchain in the module cache? `GOTOOLCHAIN=go{release} go version` fetches it)\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    match form {
        Form::NoSections | Form::ExternalPieNoSections => rewrite(&output, remove_sections),
        Form::NoBuildInfo => rewrite(&output, remove_build_info),
        _ => {}
    }
    Executable::open(&output).expect("the file that was just built")
}

fn rewrite(path: &Path, change: fn(&mut [u8])) {
    let mut bytes = fs::read(path).expect("the file that was just built");
    change(&mut bytes);
    fs::write(path, bytes).expect("writing into the temporary folder");
}

/// Clears e_shoff, e_shnum and e_shstrndx, as sstrip does.
fn remove_sections(bytes: &mut [u8]) {
    bytes[0x28..0x30].fill(0);
    bytes[0x3c..0x40].fill(0);
}

/// Renames the section and breaks its magic and both copies of the module text.
fn remove_build_info(bytes: &mut [u8]) {
    let patterns: [&[u8]; 3] =
        [b".go.buildinfo\0", b"\xff Go buildinf:", b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"];
    for pattern in patterns {
        let mut from = 0;
        while let Some(found) = memchr::memmem::find(&bytes[from..], pattern) {
            bytes[from + found + 1] ^= 0x20;
            from += found + 1;
        }
    }
}
