//! Processes that are to be left alone, by name or path.

use globset::{GlobBuilder, GlobMatcher};

/// Globs of names and of paths. `*` and `?` do not match a slash, `**` does.
#[derive(Clone, Debug, Default)]
pub struct Excludes {
    names: Vec<GlobMatcher>,
    paths: Vec<GlobMatcher>,
}

impl Excludes {
    /// Whether a process is to be left alone: by the base name of its executable, or by its path (as the process sees it).
    #[must_use]
    pub fn excludes(&self, name: &str, path: &str) -> bool {
        self.names.iter().any(|glob| glob.is_match(name)) || self.paths.iter().any(|glob| glob.is_match(path))
    }

    /// Whether there is nothing to leave alone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.paths.is_empty()
    }
}

impl FromIterator<GlobMatcher> for Excludes {
    fn from_iter<I: IntoIterator<Item = GlobMatcher>>(globs: I) -> Self {
        let (paths, names) = globs.into_iter().partition(|glob| glob.glob().glob().contains('/'));
        Self { names, paths }
    }
}

pub(super) fn parse(glob: &str) -> Option<GlobMatcher> {
    let glob = Some(glob).filter(|glob| !glob.is_empty())?;
    Some(GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(globs: &[&str], name: &str, path: &str, expected: bool) {
        let excludes: Excludes = globs.iter().map(|glob| parse(glob).unwrap()).collect();
        assert_eq!(excludes.excludes(name, path), expected, "{globs:?} {name} {path}");
    }

    #[test]
    fn names_and_paths_are_told_apart_by_a_slash() {
        check(&[], "etcd", "/usr/bin/etcd", false);
        check(&["etcd"], "etcd", "/usr/bin/etcd", true);
        check(&["etc"], "etcd", "/usr/bin/etcd", false);
        check(&["kube*", "{a,e}tcd"], "etcd", "/usr/bin/etcd", true);
        check(&["/usr/bin/*"], "etcd", "/usr/bin/etcd", true);
        check(&["/usr/*"], "etcd", "/usr/bin/etcd", false);
        check(&["/usr/**"], "etcd", "/usr/bin/etcd", true);
        check(&["**/etcd"], "etcd", "/usr/bin/etcd", true);
        assert!(parse("").is_none() && parse("a[").is_none() && parse("{a").is_none());
    }
}
