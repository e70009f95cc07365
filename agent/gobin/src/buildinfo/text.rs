//! The module text inside build info: lines of tab-separated fields. Input noun: text. Output noun: [`BuildInfo`]. Must not know
//! where the text lies. `runtime/debug.ParseBuildInfo` is the reference.

/// From which modules, and with which settings an executable was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Import path of the main package; `command-line-arguments` when built from files.
    pub path: String,
    /// The main module, if there is one.
    pub main_module: Option<Module>,
    /// Number of modules that it depends on.
    pub dependencies: u32,
    /// `-ldflags`, `CGO_ENABLED`, `GOAMD64`, `vcs.revision`, ... in the order of the text. From Go 1.18 on.
    pub settings: Vec<(String, String)>,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its path, e.g. `k8s.io/kubernetes`.
    pub path: String,
    /// Its version, `(devel)` if unknown.
    pub version: String,
}

impl BuildInfo {
    pub(super) fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            let Some((kind, rest)) = line.split_once('\t') else { continue };
            let mut fields = rest.split('\t');
            match kind {
                "path" => info.path = rest.to_owned(),
                "mod" => {
                    let path = fields.next().unwrap_or_default().to_owned();
                    let version = fields.next().unwrap_or_default().to_owned();
                    info.main_module = Some(Module { path, version });
                }
                "dep" => info.dependencies = info.dependencies.saturating_add(1),
                "build" => info.settings.extend(setting(rest)),
                _ => {}
            }
        }
        info
    }

    /// The value of a setting.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// `KEY=VALUE`; both are quoted as in Go source if they contain what would break the line.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = quoted(text).unwrap_or_else(|| {
        let end = text.find('=').unwrap_or(text.len());
        let (key, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        (key.to_owned(), rest)
    });
    let value = rest.strip_prefix('=')?;
    Some((key, quoted(value).map_or_else(|| value.to_owned(), |(value, _)| value)))
}

/// A string literal of Go at the start of `text`, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw.split_once('`').map(|(value, rest)| (value.to_owned(), rest));
    }
    let mut rest = text.strip_prefix('"')?;
    // Bytes, because `\xff` is a byte of the value and no character.
    let mut value = Vec::new();
    loop {
        let end = rest.find(['"', '\\'])?;
        let (plain, tail) = rest.split_at_checked(end)?;
        value.extend_from_slice(plain.as_bytes());
        if let Some(tail) = tail.strip_prefix('"') {
            return Some((String::from_utf8_lossy(&value).into_owned(), tail));
        }
        rest = escape(tail.strip_prefix('\\')?, &mut value)?;
    }
}

/// The escape behind a backslash; returns what follows it.
fn escape<'a>(text: &'a str, value: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let rest = text.get(kind.len_utf8()..)?;
    let (digits, character) = match kind {
        'x' => (2, false),
        'u' => (4, true),
        'U' => (8, true),
        'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '\'' | '"' => {
            value.push(control(kind));
            return Some(rest);
        }
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(digits)?;
    let number = u32::from_str_radix(number, 16).ok()?;
    if character {
        value.extend_from_slice(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        value.push(u8::try_from(number).ok()?);
    }
    Some(rest)
}

fn control(kind: char) -> u8 {
    match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\'' => b'\'',
        '"' => b'"',
        _ => b'\\',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_text() {
        let text = "path\tk8s.io/kubernetes/cmd/kubelet\nmod\tk8s.io/kubernetes\tv1.36.0\t\ndep\ta\tv1\th1:x\n=>\tb\tv2\t\ndep\tc\tv1\n\
                    build\t-compiler=gc\nbuild\t-ldflags=\"-s -w\"\nbuild\tvcs.modified=true\nbroken\n";
        let info = BuildInfo::parse(text);
        assert_eq!(info.path, "k8s.io/kubernetes/cmd/kubelet");
        assert_eq!(info.main_module, Some(Module { path: "k8s.io/kubernetes".into(), version: "v1.36.0".into() }));
        assert_eq!(info.dependencies, 2);
        assert_eq!(info.setting("-ldflags"), Some("-s -w"));
        assert_eq!(info.settings.len(), 3);
        assert_eq!(BuildInfo::parse(""), BuildInfo::default());
    }

    #[test]
    fn settings() {
        check("CGO_ENABLED=1", Some(("CGO_ENABLED", "1")));
        check("-ldflags=\"-X \\\"a=b\\\" \\t\\x41\\u00e9\"", Some(("-ldflags", "-X \"a=b\" \tAé")));
        check("\"a key\"=`raw \\`", Some(("a key", "raw \\")));
        check("-tags=a,b=c", Some(("-tags", "a,b=c")));
        check("empty=", Some(("empty", "")));
        check("-ldflags=\"unterminated", Some(("-ldflags", "\"unterminated")));
        check("novalue", None);
    }

    fn check(text: &str, expected: Option<(&str, &str)>) {
        assert_eq!(setting(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())), "{text}");
    }
}
