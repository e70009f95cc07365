//! The wait reasons of all releases. Input: `src/runtime/runtime2.go`. Output: the table. Must not know goroutines.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};

/// The texts of a release by number: 0 is no reason.
pub(super) fn of(source: &str) -> Result<Vec<String>> {
    let part = |from: &str, to: &str| source.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(part, _)| part);
    let names = part("waitReasonZero ", "\n)").context("runtime2.go has no list of waitReason")?;
    let texts = part("var waitReasonStrings = ", "\n}").context("runtime2.go has no waitReasonStrings")?;
    let texts: HashMap<&str, &str> = texts
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.trim().split_once(':')?;
            Some((name, rest.trim().strip_prefix('"')?.split_once('"')?.0))
        })
        .collect();
    // The first line is the rest of that of waitReasonZero.
    let names = names.lines().skip(1).filter_map(|line| line.split_whitespace().next()).filter(|name| name.starts_with("waitReason"));
    let mut found = vec![String::new()];
    for name in names {
        found.push((*texts.get(name).with_context(|| format!("{name} has no text"))?).to_owned());
    }
    if found.len() < 20 {
        bail!("only {} wait reasons in runtime2.go", found.len());
    }
    Ok(found)
}

/// The table: number, first and last minor version, text.
pub(super) fn text(releases: &[(u16, Vec<String>)]) -> String {
    let mut out = String::from(
        "# runtime.waitReason: number | minor versions of Go 1 | text. Written by `cargo xtask offsets` from src/runtime/runtime2.go.\n",
    );
    let most = releases.iter().map(|(_, texts)| texts.len()).max().unwrap_or_default();
    for number in 1..most {
        let mut runs: Vec<(u16, u16, &str)> = Vec::new();
        for (minor, texts) in releases {
            let Some(text) = texts.get(number) else { continue };
            match runs.last_mut() {
                Some((_, last, same)) if same == text && *last + 1 == *minor => *last = *minor,
                _ => runs.push((*minor, *minor, text)),
            }
        }
        for (first, last, text) in runs {
            out += &format!("{number:>3} | {first}-{last} | {text}\n");
        }
    }
    out
}
