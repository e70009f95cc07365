//! DWARF that lies: about sizes, about offsets, about how much there is.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use goroscope_gobin::Limits;
use goroscope_gobin::layout::{DwarfError, Offsets as _, described};

use crate::sections::{executable, wrap};

/// A unit with a name, a struct with a name and a size, a member with a name and an offset; all with children but the member.
const ABBREVIATIONS: &[u8] = &[1, 0x11, 1, 3, 8, 0, 0, 2, 0x13, 1, 3, 8, 0x0b, 0x0f, 0, 0, 3, 0x0d, 0, 3, 8, 0x38, 0x0f, 0, 0, 0];

fn leb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

/// A unit of DWARF `version` with one struct.
fn unit(version: u16, name: &str, of: &str, size: u64, fields: &[(&str, u64)]) -> Vec<u8> {
    let mut body = version.to_le_bytes().to_vec();
    body.extend_from_slice(if version == 5 { &[1, 8, 0, 0, 0, 0] } else { &[0, 0, 0, 0, 8] });
    let mut named = |abbreviation: u8, name: &str| body.extend([&[abbreviation], name.as_bytes(), &[0]].concat());
    named(1, name);
    named(2, of);
    leb(&mut body, size);
    for (name, offset) in fields {
        body.extend([&[3], name.as_bytes(), &[0]].concat());
        leb(&mut body, *offset);
    }
    body.extend_from_slice(&[0, 0]);
    [u32::try_from(body.len()).unwrap().to_le_bytes().to_vec(), body].concat()
}

fn usual(version: u16) -> Vec<u8> {
    [unit(version, "main", "runtime.gobuf", 8, &[("sp", 4)]), unit(version, "runtime", "runtime.gobuf", 48, &[("sp", 0), ("pc", 8)])]
        .concat()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes as [`wrap`] takes them.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let length = u8::try_from(ABBREVIATIONS.len()).unwrap();
    let seed = |flag: u8, units: &[u8]| [&[flag, length, 0], ABBREVIATIONS, units].concat();
    vec![("version-4", seed(0, &usual(4))), ("version-5", seed(0, &usual(5))), ("deflated", seed(1, &deflated(&usual(4))))]
}

/// The offset of `pc` in `runtime.gobuf`, or why there is none.
fn check(units: &[u8], deflated: bool, limits: &Limits, expected: Result<Option<u32>, DwarfError>) {
    let actual = described(&executable(ABBREVIATIONS, units, deflated), limits);
    assert_eq!(actual.map(|offsets| offsets.offset("runtime.gobuf", "pc")), expected, "{units:x?}");
}

#[test]
fn layouts() {
    let limits = Limits::default();
    let runtime = |size, fields: &[(&str, u64)]| unit(4, "runtime", "runtime.gobuf", size, fields);
    for version in [2, 4, 5] {
        check(&usual(version), false, &limits, Ok(Some(8)));
    }
    // A unit of another package, and one that only begins like it.
    check(&unit(4, "main", "runtime.gobuf", 48, &[("pc", 8)]), false, &limits, Ok(None));
    check(&unit(4, "runtime/pprof", "runtime.gobuf", 48, &[("pc", 8)]), false, &limits, Ok(None));
    // The first struct of a name counts.
    check(&[runtime(48, &[("pc", 8)]), runtime(48, &[("pc", 16)])].concat(), false, &limits, Ok(Some(8)));
    check(&runtime(48, &[("pc", 48)]), false, &limits, Err(DwarfError::Corrupt));
    check(&runtime(48, &[("pc", u64::MAX)]), false, &limits, Err(DwarfError::Corrupt));
    check(&runtime(1 << 21, &[("pc", 8)]), false, &limits, Err(DwarfError::Corrupt));
    check(&usual(4)[..60], false, &limits, Err(DwarfError::Corrupt));
    check(&[0xff; 40], false, &limits, Err(DwarfError::Corrupt));
    check(&[40, 0, 0, 0, 4], false, &limits, Err(DwarfError::Corrupt));
    check(&usual(4), false, &Limits { debug_unit_bytes: 40, ..Limits::default() }, Err(DwarfError::TooLarge));
    check(&usual(4), false, &Limits { debug_bytes: 40, ..Limits::default() }, Err(DwarfError::TooLarge));
    check(&usual(4), false, &Limits { debug_abbreviation_bytes: 8, ..Limits::default() }, Err(DwarfError::TooLarge));
    let nothing = described(&b"#!/bin/sh\n".to_vec(), &limits);
    assert_eq!(nothing.map(|_| ()), Err(DwarfError::Absent));
}

#[test]
fn compressed_layouts() {
    let limits = Limits::default();
    // The header says that a megabyte follows; what does not is corrupt, once it was asked for.
    let full = |mut units: Vec<u8>, fill: u8| {
        units.resize(1 << 20, fill);
        deflated(&units)
    };
    // Behind the unit come others of length 0.
    check(&full(usual(4), 0), true, &Limits { debug_bytes: 2 << 20, ..Limits::default() }, Ok(Some(8)));
    check(&deflated(&usual(4)), true, &limits, Err(DwarfError::Corrupt));
    check(b"no zlib stream", true, &limits, Err(DwarfError::Corrupt));
    // A unit of 1 MB that is left out still costs what inflating it costs.
    let large = [(1u32 << 20) - 4, 4].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    check(&full(large, 0), true, &Limits { debug_bytes: 1 << 19, ..Limits::default() }, Err(DwarfError::TooLarge));
    assert!(seeds().iter().all(|(_, seed)| wrap(seed).is_some()));
}
