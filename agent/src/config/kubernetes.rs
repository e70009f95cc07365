//! Which pods are observed, and how they are asked for.

use std::{collections::BTreeMap, path::PathBuf};

use globset::GlobMatcher;

use super::{Key, Problem, Setting, excludes, parse};

/// The annotation by which a pod has its processes left alone, with the value `false`.
pub const ANNOTATION: &str = "goroscope.io/observe";

/// Names from Kubernetes.
#[derive(Clone, Debug, Default)]
pub struct Kubernetes {
    /// Whether they are asked for.
    pub mode: KubernetesMode,
    /// With what the API server is reached; none: as the service account, or by `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// Which node this is; none: the one called like the host.
    pub node_name: Option<String>,
    /// Whether leaks are told by Events.
    pub events: bool,
    /// Which pods are observed.
    pub scope: PodScope,
}

/// Whether pods are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KubernetesMode {
    /// Where there is a service account or a kubeconfig.
    #[default]
    Auto,
    /// They must be.
    Always,
    /// They are not.
    Never,
}

/// Which pods are observed.
#[derive(Clone, Debug, Default)]
pub struct PodScope {
    namespaces: Vec<GlobMatcher>,
    exclude_namespaces: Vec<GlobMatcher>,
    selector: PodSelector,
}

impl PodScope {
    /// Whether the processes of a pod are to be observed. The pod itself has the last word against it.
    #[must_use]
    pub fn wants(&self, namespace: &str, labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> bool {
        let is_in = |globs: &[GlobMatcher]| globs.iter().any(|glob| glob.is_match(namespace));
        (self.namespaces.is_empty() || is_in(&self.namespaces))
            && !is_in(&self.exclude_namespaces)
            && self.selector.matches(labels)
            && annotations.get(ANNOTATION).is_none_or(|value| value != "false")
    }
}

/// Conditions on labels, as kubectl takes them: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`; with commas between.
/// All must hold. A label that is not there is unequal to everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSelector(Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    label: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl PodSelector {
    /// None when the text is no selector.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        conditions(text)?.into_iter().map(Condition::parse).collect::<Option<_>>().map(Self)
    }

    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|condition| {
            let value = labels.get(&condition.label);
            match &condition.test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.contains(value)),
                Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

/// The parts between commas, those in parentheses excepted; none when parentheses do not match.
fn conditions(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut is_open) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match (c, is_open) {
            ('(', false) => is_open = true,
            (')', true) => is_open = false,
            ('(', true) | (')', false) => return None,
            (',', false) => {
                parts.push(text.get(begin..at)?);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!is_open).then_some(parts)
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (label, test) = if let Some((left, list)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            let values: Vec<String> = list.split(',').map(|value| value.trim().to_owned()).collect();
            let (label, word) = left.trim().rsplit_once(char::is_whitespace)?;
            match word {
                "in" => (label, Test::In(values)),
                "notin" => (label, Test::NotIn(values)),
                _ => return None,
            }
        } else if let Some((label, value)) = text.split_once("!=") {
            (label, Test::NotIn(vec![value.trim().to_owned()]))
        } else if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (label, Test::In(vec![value.trim().to_owned()]))
        } else if let Some(label) = text.strip_prefix('!') {
            (label, Test::Absent)
        } else {
            (text, Test::Exists)
        };
        let label = label.trim();
        let values = match &test {
            Test::In(values) | Test::NotIn(values) => values.as_slice(),
            Test::Exists | Test::Absent => &[],
        };
        let is_sound = is_label(label) && values.iter().all(|value| is_value(value));
        is_sound.then(|| Self { label: label.to_owned(), test })
    }
}

/// `name` or `prefix/name`.
fn is_label(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(|prefix| !prefix.is_empty() && is_value(prefix)) && !name.is_empty() && is_value(name)
}

fn is_value(text: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().all(is_inner) && is_edge(text.chars().next()) && is_edge(text.chars().next_back())
}

/// What the layers say.
pub(super) fn kubernetes<'a>(of: &impl Fn(Key) -> &'a [Setting], problems: &mut Vec<Problem>) -> Kubernetes {
    let mode = |text: &str| match text {
        "auto" => Some(KubernetesMode::Auto),
        _ => parse::boolean(text).map(|yes| if yes { KubernetesMode::Always } else { KubernetesMode::Never }),
    };
    Kubernetes {
        mode: parse::one(Key::Kubernetes, of(Key::Kubernetes), problems, mode).unwrap_or_default(),
        kubeconfig: parse::one(Key::Kubeconfig, of(Key::Kubeconfig), problems, parse::absolute),
        node_name: parse::one(Key::NodeName, of(Key::NodeName), problems, |text| {
            (!text.is_empty() && text.len() <= 253 && is_value(text)).then(|| text.to_owned())
        }),
        events: parse::one(Key::Events, of(Key::Events), problems, parse::boolean).unwrap_or(true),
        scope: PodScope {
            namespaces: parse::list(Key::Namespace, of(Key::Namespace), problems, excludes::parse),
            exclude_namespaces: parse::list(Key::ExcludeNamespace, of(Key::ExcludeNamespace), problems, excludes::parse),
            selector: parse::one(Key::PodSelector, of(Key::PodSelector), problems, PodSelector::parse).unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// A pod in the namespace `shop`, of team `a` and tier `web`, with an empty label `x`.
    fn check(selector: &str, expected: Option<bool>) {
        let labels = map(&[("team", "a"), ("app.kubernetes.io/tier", "web"), ("x", "")]);
        let found = PodSelector::parse(selector).map(|selector| selector.matches(&labels));
        assert_eq!(found, expected, "{selector}");
    }

    #[test]
    fn selectors() {
        for selector in [
            "team=a",
            "team==a",
            " team = a ",
            "team!=b",
            "team in (a,b)",
            "team in ( b , a )",
            "team notin (b,c)",
            "team",
            "!owner",
            "owner!=a",
            "owner notin (a)",
            "x=",
            "x",
            "app.kubernetes.io/tier=web",
            "team=a,app.kubernetes.io/tier in (web,db),!owner",
        ] {
            check(selector, Some(true));
        }
        for selector in ["team=b", "team!=a", "team in (b,c)", "team notin (a,b)", "!team", "owner", "owner=a", "team=a,owner", "x=a"] {
            check(selector, Some(false));
        }
        for selector in [
            "",
            ",",
            "team=a,",
            "=a",
            "team in a",
            "team in (a",
            "team in a)",
            "team within (a)",
            "in (a)",
            "team=a=b",
            "te am",
            "team=(a)",
            "/team",
            "a/b/c",
            "team=-a",
            "team in (a,(b))",
            "t\u{e9}am",
        ] {
            check(selector, None);
        }
    }

    #[test]
    fn scopes() {
        let glob = |text: &str| excludes::parse(text).unwrap();
        let scope = |only: &[&str], not: &[&str]| PodScope {
            namespaces: only.iter().map(|text| glob(text)).collect(),
            exclude_namespaces: not.iter().map(|text| glob(text)).collect(),
            selector: PodSelector::parse("team=a").unwrap(),
        };
        let labels = map(&[("team", "a")]);
        let wants = |scope: &PodScope, namespace: &str| scope.wants(namespace, &labels, &map(&[]));
        assert!(wants(&scope(&[], &[]), "shop"));
        assert!(wants(&scope(&["sh*"], &["kube-*"]), "shop"));
        assert!(!wants(&scope(&["sh*"], &[]), "bank"));
        assert!(!wants(&scope(&["sh*"], &["shop"]), "shop"));
        assert!(!scope(&[], &[]).wants("shop", &map(&[]), &map(&[])));
        for (value, expected) in [("false", false), ("true", true), ("", true)] {
            assert_eq!(scope(&[], &[]).wants("shop", &labels, &map(&[(ANNOTATION, value)])), expected, "{value}");
        }
    }
}
