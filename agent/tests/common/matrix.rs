//! Cells of Go version and form of executable: which of them run, and how their verdict is given.
//!
//! `GOROSCOPE_MATRIX=all` runs all of them. `GOROSCOPE_RESULT_FILE` names a file that gets one line of JSON for each cell,
//! `GOROSCOPE_SEED` repeats a run.

use std::{env, fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::build::{Form, VERSIONS};

/// A version and the forms in which it runs by default.
pub type Spread = [(&'static str, &'static [Form])];

/// Whether all cells are asked for.
#[must_use]
pub fn all() -> bool {
    match env::var("GOROSCOPE_MATRIX").as_deref() {
        Ok("all") => true,
        Ok(other) if !other.is_empty() => panic!("GOROSCOPE_MATRIX={other}: only `all` is known"),
        _ => false,
    }
}

/// All cells, or those of `spread`.
#[must_use]
pub fn chosen(spread: &Spread) -> Vec<(&'static str, Form)> {
    match all() {
        true => VERSIONS.into_iter().flat_map(|version| Form::ALL.map(|form| (version, form))).collect(),
        false => spread.iter().flat_map(|(version, forms)| forms.iter().map(|form| (*version, *form))).collect(),
    }
}

/// What random numbers are drawn from; printed, so that a run can be repeated.
#[must_use]
pub fn seed() -> u64 {
    let seed = env::var("GOROSCOPE_SEED").ok().map_or_else(rand::random, |seed| seed.parse().expect("GOROSCOPE_SEED is a number"));
    println!("seed {seed}");
    seed
}

/// What is said of one cell.
pub struct Verdict<'a> {
    /// The Go version.
    pub version: &'a str,
    /// The form.
    pub form: Form,
    /// How much was compared.
    pub extent: String,
    /// What differs.
    pub problems: &'a [String],
    /// The same as numbers, for the result file.
    pub measures: Vec<(&'static str, u64)>,
}

impl Verdict<'_> {
    fn result(&self) -> Value {
        let Self { version, form, problems, measures, .. } = self;
        let mut line = json!({
            "cell": format!("go{version} {form}"),
            "go": version,
            "form": form.to_string(),
            "verdict": if problems.is_empty() { "ok" } else { "failed" },
            "difference": if problems.is_empty() { json!(0) } else { json!(problems) },
        });
        measures.iter().for_each(|(name, value)| line[*name] = json!(value));
        line
    }
}

/// Prints the table and writes the results; fails where anything differs.
pub fn judge(verdicts: &[Verdict<'_>]) {
    let mut table = String::new();
    for Verdict { version, form, extent, problems, .. } in verdicts {
        let verdict = if problems.is_empty() { "zero difference" } else { "DIFFERS" };
        let _ = writeln!(table, "{version:<10} {form:<13} {extent}  {verdict}");
        for problem in *problems {
            let _ = writeln!(table, "    {problem}");
        }
    }
    println!("{table}");
    if let Some(path) = env::var_os("GOROSCOPE_RESULT_FILE") {
        let lines: String = verdicts.iter().map(|verdict| format!("{}\n", verdict.result())).collect();
        fs::write(&path, lines).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&path).display()));
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.problems.is_empty()).count();
    assert_eq!(failed, 0, "{failed} of {} cells differ\n{table}", verdicts.len());
}
