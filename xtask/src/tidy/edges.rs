//! Which room of the agent may import which room and which crate, as ARCHITECTURE.md's table says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::{Finding, Source};

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Allowed imports";
/// In the first column: holds for every room. In the others: everything.
const ANY: &str = "*";

/// The table of allowed imports: for each room the rooms and the crates that it may name.
#[derive(Debug, Default, PartialEq)]
struct Table(BTreeMap<String, Row>);

#[derive(Debug, Default, PartialEq)]
struct Row {
    rooms: BTreeSet<String>,
    crates: BTreeSet<String>,
}

impl Table {
    fn parse(document: &str) -> Option<Self> {
        let section = document.lines().skip_while(|line| line.trim() != HEADING).skip(1).take_while(|line| !line.starts_with("## "));
        let rows = section.map(str::trim).filter(|line| line.starts_with('|')).skip(2).filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(names);
            let room = cells.next()?.into_iter().next()?;
            Some((room, Row { rooms: cells.next()?, crates: cells.next().unwrap_or_default() }))
        });
        let table: BTreeMap<String, Row> = rows.collect();
        (!table.is_empty()).then_some(Self(table))
    }

    fn allows(&self, room: &str, of: impl Fn(&Row) -> &BTreeSet<String>, name: &str) -> bool {
        let rows = [room, ANY].into_iter().filter_map(|room| self.0.get(room)).map(of);
        rows.into_iter().any(|names| names.contains(name) || names.contains(ANY))
    }
}

/// The names in a cell, as Rust writes them; `none` and dashes are no names.
fn names(cell: &str) -> BTreeSet<String> {
    let words = cell.split(|c: char| c == ',' || c == '`' || c.is_whitespace()).filter(|word| !word.is_empty());
    words
        .filter(|word| *word == ANY || word.starts_with(char::is_alphabetic))
        .map(|word| word.replace('-', "_"))
        .filter(|word| word != "none")
        .collect()
}

pub(super) fn check(sources: &[Source], found: &mut Vec<Finding>) -> Result<()> {
    let text = |path: &str| sources.iter().find(|source| source.path == path).map(|source| source.text.as_str());
    let Some(table) = text(DOCUMENT).and_then(Table::parse) else {
        let what = format!("a table under `{HEADING}` is expected: | room | may import (crate rooms) | third-party crates |");
        found.push(Finding { path: DOCUMENT.into(), line: 1, what });
        return Ok(());
    };
    let crates = dependencies(text("agent/Cargo.toml").context("no agent/Cargo.toml")?);
    let rooms: BTreeSet<&str> = sources.iter().filter_map(|source| room_of(&source.path)).collect();
    for source in sources {
        if let Some(room) = room_of(&source.path) {
            check_file(source, room, &table, &rooms, &crates, found);
        }
    }
    Ok(())
}

/// The room that a file of the agent belongs to; lib.rs only lists the rooms.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("agent/src/").filter(|path| path.ends_with(".rs"))?;
    let first = inside.split('/').next()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib").then_some(room)
}

/// The crates under `[dependencies]`, as Rust writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    let names = section.filter_map(|line| line.split(['.', '=', ' ']).next()).filter(|name| name.starts_with(char::is_alphabetic));
    names.map(|name| name.replace('-', "_")).collect()
}

fn check_file(source: &Source, room: &str, table: &Table, rooms: &BTreeSet<&str>, crates: &BTreeSet<String>, found: &mut Vec<Finding>) {
    if !table.0.contains_key(room) {
        found.push(source.at(0, format!("room `{room}` has no row in {DOCUMENT}, `{HEADING}`")));
        return;
    }
    for (line, name) in crate_paths(&source.code) {
        let is_room = rooms.contains(name.as_str()) && name != room;
        if is_room && !table.allows(room, |row| &row.rooms, &name) {
            found.push(source.at(line, format!("`{room}` imports `{name}`: not in {DOCUMENT}'s table; speak through model nouns")));
        }
    }
    for (line, name) in foreign_paths(&source.code, crates) {
        if !table.allows(room, |row| &row.crates, &name) {
            found.push(source.at(line, format!("`{room}` uses the crate `{name}`: not in {DOCUMENT}'s table")));
        }
    }
}

/// What follows `crate::` (or, in the binary, `goroscope::`), with the line; each name of a `{group}`.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = vec![];
    for root in ["crate::", "goroscope::"] {
        for (at, _) in code.match_indices(root).filter(|&(at, _)| starts_a_path(code, at)) {
            let rest = code.get(at + root.len()..).unwrap_or_default().trim_start();
            paths.extend(first_names(rest).into_iter().map(|name| (line_of(code, at), name)));
        }
    }
    paths
}

/// The first name of a path, or of each path in a group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut depth = 1;
    let mut names = vec![name(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(group.get(at + 1..).unwrap_or_default())),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Paths that start with a third-party crate, and `use` of the crate itself.
fn foreign_paths(code: &str, crates: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut paths = vec![];
    for name in crates {
        for (at, _) in code.match_indices(name.as_str()).filter(|&(at, _)| starts_a_path(code, at)) {
            let rest = code.get(at + name.len()..).unwrap_or_default();
            let is_use = code.get(..at).is_some_and(|before| before.trim_end().ends_with("use"));
            let ends_here = rest.trim_start().starts_with([';', ' ']) || rest.starts_with(" as ");
            if rest.starts_with("::") || is_use && ends_here {
                paths.push((line_of(code, at), name.clone()));
            }
        }
    }
    paths
}

/// Whether no name, path or method leads to `at`.
fn starts_a_path(code: &str, at: usize) -> bool {
    let before = code.get(..at).unwrap_or_default();
    let longer = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    !longer && (!before.ends_with("::") || before.trim_end_matches("::").ends_with([' ', '(', '<', ',', '[', '\n', '&']))
}

fn line_of(code: &str, at: usize) -> usize {
    code.get(..at).unwrap_or_default().matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# A\n\n## Allowed imports\n\nWhy.\n\n| room | may import (crate rooms) | third-party crates |\n|---|---|---|\n\
        | `*` | `model` | `thiserror` |\n| plan | - | none |\n| tracer | `telemetry`, plan | aya, aya-obj |\n| app | * | * |\n| model | | |\n\n## Next\n| x | y |\n";
    const MANIFEST: &str = "[package]\nname = \"goroscope\"\n\n[dependencies]\naya.workspace = true\naya-obj = \"1\"\nthiserror = { version = \"2\" }\n\n[dev-dependencies]\ntempfile = \"3\"\n";

    fn check_text(path: &str, text: &str, expected: &[usize]) {
        let mut sources =
            vec![Source::new(DOCUMENT, TABLE.into()), Source::new("agent/Cargo.toml", MANIFEST.into()), Source::new(path, text.into())];
        for room in ["app", "model", "telemetry", "plan", "tracer"] {
            sources.push(Source::new(&format!("agent/src/{room}/empty.rs"), String::new()));
        }
        let mut found = vec![];
        check(&sources, &mut found).expect("the documents are there");
        found.retain(|finding| finding.path == path);
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text}: {found:?}");
    }

    #[test]
    fn edges_between_rooms() {
        check_text("agent/src/plan/a.rs", "use crate::model::X;\nuse crate::plan::Y;\nuse crate::NotARoom;\n", &[]);
        check_text("agent/src/plan/a.rs", "use crate::tracer::X;\nfn f(x: crate::app::Y) {}\n", &[1, 2]);
        check_text("agent/src/plan/a.rs", "use crate::{\n    model::{X, tracer},\n    tracer::Y,\n};\n", &[1]);
        check_text("agent/src/tracer.rs", "use crate::plan::X;\nuse crate::telemetry;\n", &[]);
        check_text("agent/src/app.rs", "use crate::tracer::X;\nuse aya::Y;\n", &[]);
        check_text("agent/src/main.rs", "fn main() {}\n", &[1]);
        check_text("agent/src/plan/a.rs", "// use crate::tracer::X;\n", &[]);
    }

    #[test]
    fn crates_in_their_rooms() {
        check_text("agent/src/plan/a.rs", "use aya::maps;\nfn f() { let x = aya_obj::Object; }\n", &[1, 2]);
        check_text("agent/src/plan/a.rs", "use aya as a;\nuse aya;\n", &[1, 2]);
        check_text("agent/src/plan/a.rs", "use thiserror::Error;\nlet aya = my_aya::x(crate::model::aya::y);\n", &[]);
        check_text("agent/src/tracer/a.rs", "use aya::maps;\nuse aya_obj::Object;\n", &[]);
    }

    #[test]
    fn a_document_without_a_table_is_an_error() {
        let mut found = vec![];
        check(&[Source::new(DOCUMENT, "# A\n".into())], &mut found).expect("it only complains");
        assert_eq!(found.len(), 1);
    }
}
