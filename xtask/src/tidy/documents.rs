//! Rules about documents: results say where they come from and are not old, and the change log has room for the next change.

use anyhow::Result;

use super::{Finding, Findings, Source};
use crate::result::{DOCUMENTS, Header, stale};

pub(super) fn check(sources: &[Source], found: &mut Findings) -> Result<()> {
    change_log(sources, &mut found.errors);
    for source in sources.iter().filter(|source| DOCUMENTS.contains(&source.path.as_str())) {
        match Header::parse(&source.text) {
            None => found
                .errors
                .push(source.at(0, "a result document has a line <!-- result: command=\"...\" date=... commit=... rooms=... -->")),
            Some(header) => {
                let old = stale(&header)?.map(|why| source.at(0, format!("old result: {why}; run `{}`", header.command)));
                found.warnings.extend(old);
            }
        }
    }
    Ok(())
}

fn change_log(sources: &[Source], errors: &mut Vec<Finding>) {
    let log = sources.iter().find(|source| source.path == "CHANGELOG.md");
    let has_section = |log: &Source| log.text.lines().any(|line| line.starts_with("## ") && line.contains("Unreleased"));
    if !log.is_some_and(has_section) {
        errors.push(Finding { path: "CHANGELOG.md".into(), line: 1, what: "a section `## [Unreleased]` is expected".into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> usize {
        let mut found = Findings::default();
        check(&[Source::new(path, text.into())], &mut found).expect("git is there");
        found.errors.len()
    }

    #[test]
    fn the_change_log_has_room() {
        assert_eq!(errors("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"), 0);
        assert_eq!(errors("CHANGELOG.md", "# Changelog\n\n## 1.0\nUnreleased\n"), 1);
        assert_eq!(errors("README.md", ""), 1);
    }

    #[test]
    fn a_result_says_where_it_comes_from() {
        let (log, header) = (1, "<!-- result: command=\"x\" date=2026-11-21 commit=0000000 rooms=ebpf -->\n");
        assert_eq!(errors("docs/kernels.md", "# Kernels\n"), log + 1);
        assert_eq!(errors("docs/kernels.md", header), log);
        assert_eq!(errors("docs/other.md", "# Other\n"), log);
    }
}
