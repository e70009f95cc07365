//! One table of offsets as text. Input noun: [`Column`]s. Output: the file. Must not know where the columns come from.

use goroscope_gobin::layout::{Described, Offsets as _};

use super::Column;

/// The table of struct `of`: a row for each field, a column for each build. `-` is a field that the build does not have, `?` one that
/// lies where it lies without the experiment; `field@arm64` is a row of its own where arm64 differs.
pub(super) fn text(of: &str, fields: &[&str], columns: &[Column]) -> String {
    let plain =
        |column: &Column| columns.iter().find(|other| other.name == column.minor).map(|other| (other.amd64.clone(), other.arm64.clone()));
    // A column for an experiment only where it moves something.
    let shown: Vec<&Column> = columns
        .iter()
        .filter(|column| {
            let moves = |plain: &Described, this: &Described| fields.iter().any(|field| plain.offset(of, field) != this.offset(of, field));
            column.name == column.minor
                || plain(column).is_some_and(|(amd64, arm64)| moves(&amd64, &column.amd64) || moves(&arm64, &column.arm64))
        })
        .collect();
    let mut rows = vec![("field".to_owned(), shown.iter().map(|column| column.name.clone()).collect::<Vec<_>>())];
    for field in fields {
        let row = |choose: fn(&Column) -> &Described| -> Vec<String> {
            let base =
                |column: &Column| columns.iter().find(|other| other.name == column.minor).and_then(|other| choose(other).offset(of, field));
            let cell = |column: &&Column| match choose(column).offset(of, field) {
                offset if column.name != column.minor && offset == base(column) => "?".to_owned(),
                Some(offset) => offset.to_string(),
                None => "-".to_owned(),
            };
            shown.iter().map(cell).collect()
        };
        let (amd64, arm64) = (row(|column| &column.amd64), row(|column| &column.arm64));
        let differs = amd64 != arm64;
        rows.push(((*field).to_owned(), amd64));
        if differs {
            rows.push((format!("{field}@arm64"), arm64));
        }
    }
    render(of, &rows)
}

fn render(of: &str, rows: &[(String, Vec<String>)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut out =
        format!("# {of}: offset of each field in bytes, by minor version of Go 1. Written by `cargo xtask offsets` from DWARF.\n");
    for (name, cells) in rows {
        out += &format!("{name:<width$}");
        for (cell, column) in cells.iter().zip(rows.first().map(|(_, header)| header.as_slice()).unwrap_or_default()) {
            out += &format!("{cell:>0$}", (column.len() + 2).max(7));
        }
        out.push('\n');
    }
    out
}
