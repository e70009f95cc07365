//! `cargo xtask tidy`: the house rules that a program can check, on every file that git knows or would add.

mod documents;
mod edges;
mod lex;
mod size;
mod style;
mod unsafety;

use std::fmt;
use std::fs;

use anyhow::{Result, bail};

use crate::paths::root;
use crate::result::git;
use crate::step::{self, output};

/// Checks the house rules: module docs, imports between rooms, unsafe, sizes, sleeps, machine paths, result documents.
///
/// Warnings are for people; errors end with status 1.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Do not list warnings.
    #[arg(long, short)]
    quiet: bool,
}

/// A source file: its path from the root, its text, and the text with comments and literals blanked out.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: String) -> Self {
        let code = if path.ends_with(".rs") { lex::code(&text) } else { String::new() };
        Self { path: path.to_owned(), text, code }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A finding at a line that is counted from 0.
    fn at(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: line + 1, what: what.into() }
    }
}

/// A rule that is broken somewhere.
#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// What the rules say, by weight.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    judge(args.quiet)
}

/// All rules on all files; warnings are listed.
///
/// # Errors
/// A rule is broken.
pub(crate) fn check() -> Result<()> {
    judge(false)
}

fn judge(quiet: bool) -> Result<()> {
    let sources = sources()?;
    let mut found = Findings::default();
    for source in sources.iter().filter(|source| source.is_rust()) {
        style::check(source, &mut found.errors);
        unsafety::check(source, &mut found.errors);
        size::check(source, &mut found);
    }
    for source in &sources {
        style::machine_paths(source, &mut found.errors);
    }
    edges::check(&sources, &mut found.errors)?;
    documents::check(&sources, &mut found)?;
    if !quiet {
        found.warnings.iter().for_each(|warning| step::warn(&warning.to_string()));
    }
    let summary = format!("tidy: {} files, {} errors, {} warnings", sources.len(), found.errors.len(), found.warnings.len());
    if found.errors.is_empty() {
        println!("{summary}");
        return Ok(());
    }
    found.errors.iter().for_each(|error| println!("{error}"));
    bail!("{summary}\n  remedy: each line above says what is expected; ARCHITECTURE.md and CONTRIBUTING.md say why")
}

/// Every text file that is tracked, or new and not ignored.
fn sources() -> Result<Vec<Source>> {
    let list = output(git().args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let texts = list.lines().filter_map(|path| Some((path, fs::read_to_string(root().join(path)).ok()?)));
    Ok(texts.map(|(path, text)| Source::new(path, text)).collect())
}
