//! Build ids. Input noun: the note sections or segments of an [`Elf`]. Output noun: [`BuildIds`]. Must not know what they are for.

use crate::elf::{Elf, Region};
use crate::source::Words;
use crate::{Limits, Refusal, Source};

/// What the notes say about the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuildIds {
    /// Text of the note `Go` type 4.
    pub(crate) go: Option<String>,
    /// Bytes of the note `GNU` type 3.
    pub(crate) gnu: Option<Vec<u8>>,
}

/// `NT_GO_BUILDID`, cmd/internal/buildid.
const GO_BUILD_ID: u32 = 4;
/// `NT_GNU_BUILD_ID`.
const GNU_BUILD_ID: u32 = 3;
/// A build id of Go has 83 bytes, one of GNU 20 (or what `--build-id=0x` says).
const ID_BYTES_MAX: usize = 256;

/// Reads the notes through the segments, which survive every strip, and through the sections, which some linkers alone have.
pub(crate) fn build_ids(source: &dyn Source, elf: &Elf, limits: &Limits) -> Result<BuildIds, Refusal> {
    let sections = [".note.go.buildid", ".note.gnu.build-id"].iter().filter_map(|name| elf.section(name)).map(|section| section.region);
    let mut ids = BuildIds::default();
    for region in elf.notes.iter().copied().chain(sections) {
        if ids.go.is_some() && ids.gnu.is_some() {
            break;
        }
        read(source, region, limits, &mut ids)?;
    }
    Ok(ids)
}

fn read(source: &dyn Source, region: Region, limits: &Limits, ids: &mut BuildIds) -> Result<(), Refusal> {
    // Notes that are missing or too large are no reason to refuse an executable that the kernel runs.
    let bytes = match source.vector(region.offset, region.file_size.min(limits.note_bytes), "notes") {
        Ok(bytes) => bytes,
        Err(Refusal::Truncated { .. }) => return Ok(()),
        Err(refusal) => return Err(refusal),
    };
    parse(&bytes, ids);
    Ok(())
}

fn parse(mut bytes: &[u8], ids: &mut BuildIds) {
    while let Some(note) = Note::parse(bytes) {
        let text = note.text;
        let usable = !text.is_empty() && text.len() <= ID_BYTES_MAX;
        match (note.name, note.kind) {
            (b"Go\0\0", GO_BUILD_ID) if usable && ids.go.is_none() => ids.go = String::from_utf8(text.to_vec()).ok(),
            (b"GNU\0", GNU_BUILD_ID) if usable && ids.gnu.is_none() => ids.gnu = Some(text.to_vec()),
            _ => {}
        }
        bytes = note.rest;
    }
}

struct Note<'a> {
    kind: u32,
    name: &'a [u8],
    text: &'a [u8],
    /// What follows the note.
    rest: &'a [u8],
}

impl<'a> Note<'a> {
    /// The first note; it takes at least the 12 bytes of its header.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let name_length = usize::try_from(bytes.u32(0)?).ok()?;
        let text_length = usize::try_from(bytes.u32(4)?).ok()?;
        let kind = bytes.u32(8)?;
        let rest = bytes.get(12..)?;
        let name = rest.get(..name_length)?;
        let rest = rest.get(name_length.checked_next_multiple_of(4)?..)?;
        let text = rest.get(..text_length)?;
        let rest = rest.get(text_length.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some(Self { kind, name, text, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes() {
        let go = *b"\x04\0\0\0\x05\0\0\0\x04\0\0\0Go\0\0ab/cd\0\0\0";
        let gnu = *b"\x04\0\0\0\x02\0\0\0\x03\0\0\0GNU\0\x01\x02\0\0";
        let empty = *b"\x04\0\0\0\x00\0\0\0\x04\0\0\0Go\0\0";
        let both = [&go[..], &gnu[..]].concat();
        check(&go, Some("ab/cd"), None);
        check(&both, Some("ab/cd"), Some(&[1, 2]));
        check(&[&empty[..], &both[..]].concat(), Some("ab/cd"), Some(&[1, 2]));
        check(&empty, None, None);
        check(&both[..20], None, None);
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\x04\0\0\0Go\0\0", None, None);
    }

    fn check(bytes: &[u8], go: Option<&str>, gnu: Option<&[u8]>) {
        let mut ids = BuildIds::default();
        parse(bytes, &mut ids);
        assert_eq!(ids, BuildIds { go: go.map(Into::into), gnu: gnu.map(Into::into) }, "{bytes:?}");
    }
}
