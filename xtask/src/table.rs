//! What a check looked at, one line each: what, how much of it, and whether it is sound.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::step;

/// What is wrong, one line each.
pub(crate) type Problems = Vec<String>;

/// One line of the table.
pub(crate) struct Checked {
    what: String,
    count: String,
    outcome: Result<()>,
}

pub(crate) fn row(what: &str, count: impl Into<String>, outcome: Result<()>) -> Checked {
    Checked { what: what.to_owned(), count: count.into(), outcome }
}

/// An error with all of `problems`, if there are any.
///
/// # Errors
/// There are.
pub(crate) fn verdict(problems: Problems) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { bail!("{} problems\n  {}", problems.len(), problems.join("\n  ")) }
}

/// Prints the table.
///
/// # Errors
/// What is not sound, all of it.
pub(crate) fn show(title: &str, table: &[Checked], since: Instant) -> Result<()> {
    for Checked { what, count, outcome } in table {
        println!("{what:<56} {count:>14}  {}", if outcome.is_ok() { "ok" } else { "FAILED" });
    }
    println!("{:<56} {:>14}", "all", step::seconds(since.elapsed()));
    let failed: Vec<String> = table.iter().filter_map(|row| Some(format!("{}: {:#}", row.what, row.outcome.as_ref().err()?))).collect();
    if !failed.is_empty() {
        bail!("{title}: not everything is sound\n{}", failed.join("\n"));
    }
    Ok(())
}
