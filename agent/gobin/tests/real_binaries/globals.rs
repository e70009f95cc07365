//! The runtime's variables: what code says against what symbols say.

use std::collections::HashMap;

use goroscope_gobin::layout::{Layout, tabled};
use goroscope_gobin::{GoBinary, LayoutSource};

use crate::toolchain::Form;

/// By Go's names, `firstmoduledata` first. Every variable is found in every form.
fn named(binary: &GoBinary, what: &str) -> Vec<(&'static str, u64)> {
    let facts = binary.runtime.as_ref().unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
    assert_eq!(facts.globals.gc_cleanups.is_some(), binary.version.minor >= 25, "{what}: gcCleanups");
    let there = facts.globals.by_name().into_iter().filter(|(name, address)| *name != "gcCleanups" || address.is_some());
    there.map(|(name, address)| (name, address.unwrap_or_default().0)).collect()
}

/// DWARF wins where there is one, and says of these releases what the tables say.
pub(crate) fn check_layout(binary: &GoBinary, form: Form, what: &str) {
    let facts = binary.runtime.as_ref().unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
    let expected = if form.stripped() { LayoutSource::Table } else { LayoutSource::Dwarf };
    assert_eq!(facts.layout_source, expected, "{what}");
    let table = tabled(&binary.version, binary.arch).unwrap();
    assert_eq!(facts.layout, Layout::read(&table).unwrap(), "{what}");
}

/// `symbols`: all of the executable, by name.
pub(crate) fn check_symbols(binary: &GoBinary, symbols: &HashMap<String, u64>, what: &str) {
    for (name, address) in named(binary, what) {
        assert_eq!(symbols.get(&format!("runtime.{name}")), Some(&address), "{what}: {name} {address:#x}");
    }
}

/// A stripped executable against its twin with symbols: the linker's arguments are part of the build info, which lies in front of
/// the variables and moves them all by the same distance.
pub(crate) fn check_twins(left: &GoBinary, right: &GoBinary, what: &str) {
    let (left, right) = (named(left, what), named(right, what));
    let distances: Vec<u64> = left.iter().zip(&right).map(|((_, left), (_, right))| left.wrapping_sub(*right)).collect();
    let data = &distances[1..];
    assert!(data.iter().all(|distance| *distance == data[0] && distance.cast_signed().abs() <= 4096), "{what}: {left:x?} {right:x?}");
}
