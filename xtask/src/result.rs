//! Result documents: what a long command last found, with the command, the date and the commit in the file's first line.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::paths::root;
use crate::step::{note, output};

/// The documents that commands write, from the root of the repository.
pub(crate) const DOCUMENTS: [&str; 9] = [
    "docs/exactness.md",
    "docs/memory.md",
    "docs/real-programs.md",
    "docs/soundness.md",
    "docs/detection.md",
    "docs/kernels.md",
    "docs/fuzzing.md",
    "docs/benchmarks.md",
    "docs/cluster-test.md",
];

/// The first line of a result document.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    /// What wrote the document.
    pub(crate) command: String,
    /// Day of the run, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// Commit that was checked out; a `+` behind it says that the rooms held uncommitted changes.
    pub(crate) commit: String,
    /// Paths, from the root, whose change makes the result old.
    pub(crate) rooms: Vec<String>,
}

impl Header {
    /// The header in `text`, if a line of it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix("<!-- result:")?.strip_suffix("-->"))?;
        let rest = line.trim().strip_prefix("command=\"")?;
        let (command, rest) = rest.split_once('"')?;
        let field = |name: &str| rest.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            command: command.to_owned(),
            date: field("date")?.to_owned(),
            commit: field("commit")?.to_owned(),
            rooms: field("rooms")?.split(',').map(str::to_owned).collect(),
        })
    }

    /// The header of a result that `command` has now.
    ///
    /// # Errors
    /// git cannot be run.
    pub(crate) fn now(command: &str, rooms: &[&str]) -> Result<Self> {
        let mut commit = output(git().args(["rev-parse", "--short=7", "HEAD"]))?.trim().to_owned();
        if !output(git().args(["status", "--porcelain", "--"]).args(rooms))?.is_empty() {
            commit.push('+');
        }
        let date = output(Command::new("date").arg("+%F"))?.trim().to_owned();
        let rooms = rooms.iter().map(|&room| room.to_owned()).collect();
        Ok(Self { command: command.to_owned(), date, commit, rooms })
    }

    fn line(&self) -> String {
        let Self { command, date, commit, rooms } = self;
        format!("<!-- result: command=\"{command}\" date={date} commit={commit} rooms={} -->", rooms.join(","))
    }
}

/// Writes the result document `path` (from the root): the header for `command` at this commit, then `body`.
///
/// # Errors
/// git or the file system refuses.
pub(crate) fn write(path: &str, command: &str, rooms: &[&str], body: &str) -> Result<()> {
    let header = Header::now(command, rooms)?;
    let file = root().join(path);
    fs::create_dir_all(file.parent().unwrap_or(root()))?;
    fs::write(&file, format!("{}\n\n{}\n", header.line(), body.trim_end())).with_context(|| format!("cannot write {path}"))?;
    note(&format!("wrote {path}"));
    Ok(())
}

/// Whether the rooms of `header` changed after the commit it names; why, in words.
///
/// # Errors
/// git cannot be run.
pub(crate) fn stale(header: &Header) -> Result<Option<String>> {
    let commit = header.commit.trim_end_matches('+');
    let Ok(then) = output(git().args(["show", "-s", "--format=%ct", commit])) else {
        return Ok(Some(format!("commit {commit} is not in this repository")));
    };
    let last = output(git().args(["log", "-1", "--format=%ct %h %s", "--"]).args(&header.rooms))?;
    let Some((time, subject)) = last.trim().split_once(' ') else { return Ok(None) };
    let newer = time.parse::<u64>().unwrap_or(0) > then.trim().parse::<u64>().unwrap_or(0);
    Ok(newer.then(|| format!("commit {commit} is older than `{subject}`")))
}

/// A Markdown table: `head` and one row for each of `rows`.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = "|---".repeat(head.len()) + "|\n";
    row(&head) + &rule + &rows.iter().map(|cells| row(cells)).collect::<String>()
}

/// `git` in the repository.
pub(crate) fn git() -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg::<&Path>(root());
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header {
            command: "cargo xtask test --matrix".into(),
            date: "2026-11-21".into(),
            commit: "abcdef0+".into(),
            rooms: vec!["ebpf".into(), "agent/src/plan".into()],
        };
        assert_eq!(Header::parse(&format!("{}\n\n# Exactness\n", header.line())), Some(header));
    }

    #[test]
    fn no_header_no_result() {
        assert_eq!(Header::parse("# Exactness\n<!-- result: date=2026-11-21 -->\n"), None);
    }

    #[test]
    fn a_table_escapes_bars() {
        assert_eq!(table(&["a"], &[vec!["x|y".into()]]), "| a |\n|---|\n| x\\|y |\n");
    }
}
