//! The Go version that built an executable. Input noun: text of the binary. Output noun: [`GoVersion`]. Must not know where the
//! text was found.

use std::fmt;

use crate::Refusal;

/// Oldest supported minor release: Go 1.19.
pub const MIN_MINOR: u16 = 19;
/// Newest supported minor release: Go 1.27.
pub const MAX_MINOR: u16 = 27;

/// A version of Go 1, e.g. `go1.26.6-X:nogreenteagc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoVersion {
    /// 26 in `go1.26.6`.
    pub minor: u16,
    /// 6 in `go1.26.6`, 0 in `go1.26` and in pre-releases.
    pub patch: u16,
    /// `rc1`, `beta2` or `devel`.
    pub prerelease: Option<String>,
    /// Experiments that differ from the release's own: `nogreenteagc`. They move fields of runtime structs.
    pub experiments: Vec<String>,
    text: String,
}

/// A text that names no version of Go 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a Go version")]
pub struct UnknownVersion {
    /// The text.
    pub text: String,
}

impl GoVersion {
    /// Parses what `runtime.Version()` returns, also with a vendor's suffix (`go1.21.8 (Red Hat 1.21.8-1.el9)`).
    ///
    /// # Errors
    /// The text is not a version of Go 1 (`devel +abc`, `unknown`).
    pub fn parse(text: &str) -> Result<Self, UnknownVersion> {
        Self::parse_inner(text).ok_or_else(|| UnknownVersion { text: clip(text) })
    }

    fn parse_inner(text: &str) -> Option<Self> {
        // Before Go 1.25 a build from a checkout says `devel go1.22-<hash> <date>`, since then `go1.26-devel_<hash> <date>`.
        let (devel, rest) = match text.strip_prefix("devel ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (minor, rest) = number(rest.strip_prefix("go1.")?)?;
        let (patch, rest) = match rest.strip_prefix('.').and_then(number) {
            Some((patch, rest)) => (patch, rest),
            None => (0, rest),
        };
        let end = rest.find(['-', ' ', '+']).unwrap_or(rest.len());
        let suffix = rest.get(..end)?;
        let candidate = suffix.starts_with("rc") || suffix.starts_with("beta");
        let prerelease = match () {
            () if devel || rest.starts_with("-devel") => Some("devel".to_owned()),
            () if candidate => Some(suffix.to_owned()),
            () => None,
        };
        let experiments = rest.split_once("X:").map_or("", |(_, list)| list.split([' ', '-']).next().unwrap_or_default());
        let experiments = experiments.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Self { minor, patch, prerelease, experiments, text: clip(text) })
    }

    /// Whether the layouts known to this crate are those of this version. A build from a checkout is none we know.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        (MIN_MINOR..=MAX_MINOR).contains(&self.minor) && self.prerelease.as_deref() != Some("devel")
    }

    /// As in the binary.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `funcID` of wrapper functions, `internal/abi.FuncIDWrapper`. Numbered anew whenever a special function comes or goes.
    pub(crate) fn wrapper_func_id(&self) -> u8 {
        match self.minor {
            ..=21 => 21,
            22..=24 => 22,
            _ => 23,
        }
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The version in `text` if it is supported.
pub(crate) fn supported(text: &str) -> Result<GoVersion, Refusal> {
    GoVersion::parse(text).ok().filter(GoVersion::is_supported).ok_or_else(|| Refusal::UnsupportedGoVersion { version: clip(text) })
}

/// Versions end up in labels and logs: a hostile one must not fill them.
fn clip(text: &str) -> String {
    text.chars().take(128).collect()
}

fn number(text: &str) -> Option<(u16, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        check("go1.26.6-X:nogreenteagc", "26.6 - [nogreenteagc] true");
        check("go1.26.6-X:nogreenteagc,jsonv2", "26.6 - [nogreenteagc,jsonv2] true");
        check("go1.19", "19.0 - [] true");
        check("go1.21.13", "21.13 - [] true");
        check("go1.21rc2", "21.0 rc2 [] true");
        check("go1.18beta1", "18.0 beta1 [] false");
        check("go1.20.4 X:boringcrypto", "20.4 - [boringcrypto] true");
        check("go1.21.8 (Red Hat 1.21.8-1.el9)", "21.8 - [] true");
        check("go1.20.4b4", "20.4 - [] true");
        check("go1.99", "99.0 - [] false");
        check("go1.28", "28.0 - [] false");
        check("go1.18.10", "18.10 - [] false");
        check("devel go1.22-abcdef Mon Jan 1", "22.0 devel [] false");
        check("go1.26-devel_abcdef Mon Jan 1", "26.0 devel [] false");
        check("devel +abcdef", "unknown");
        check("go2.0", "unknown");
        check("go1.", "unknown");
        check("go1.123456", "unknown");
        check("", "unknown");
    }

    fn check(text: &str, expected: &str) {
        let actual = GoVersion::parse(text).map_or("unknown".to_owned(), |v| {
            assert_eq!(v.to_string(), text);
            let prerelease = v.prerelease.as_deref().unwrap_or("-");
            format!("{}.{} {prerelease} [{}] {}", v.minor, v.patch, v.experiments.join(","), v.is_supported())
        });
        assert_eq!(actual, expected, "{text:?}");
    }
}
