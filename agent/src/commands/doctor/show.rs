//! The checks as text and as JSON. Input noun: [`Check`]s. Output: text. Must not know what is checked.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    super::text::{harmless, table},
    checks::{Check, State},
};

/// The JSON form.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis<'a> {
    /// Nothing is missing: all kinds of figures can be collected, perhaps not of everything.
    pub(super) collectable: bool,
    /// Nothing is degraded either.
    pub(super) complete: bool,
    pub(super) checks: &'a [Check],
}

/// The text form.
pub(super) fn text(checks: &[Check], colours: bool) -> String {
    let rows = checks.iter().map(|check| vec![word(check.state).to_owned(), check.name.to_owned(), harmless(&check.found, 200)]);
    let lines = table(&rows.collect::<Vec<_>>(), 0);
    let (mut out, mut told) = (String::new(), BTreeSet::new());
    for (check, line) in checks.iter().zip(lines.lines()) {
        // After the table is laid out: colours have no width.
        let coloured = line.replacen(word(check.state), &paint(check.state, colours), 1);
        out += &format!("{coloured}\n");
        if let Some(lost) = check.lost {
            out += &format!("          not collected: {lost}\n");
        }
        if let Some(remedy) = check.remedy {
            let text = if told.insert(remedy) { remedy } else { "as above" };
            out += &format!("          remedy: {text}\n");
        }
    }
    let lost = |missing: bool| checks.iter().filter(|check| check.lost.is_some() && (check.state == State::Missing) == missing).count();
    out += &match (lost(true), lost(false)) {
        (0, 0) => "\nEverything can be collected.\n".to_owned(),
        (0, degraded) => format!("\nEverything can be collected, some of it in part only: {degraded} degraded (see above).\n"),
        (missing, 0) => format!("\nNot everything can be collected: {missing} missing.\n"),
        (missing, degraded) => format!("\nNot everything can be collected: {missing} missing, {degraded} degraded.\n"),
    };
    out
}

const fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Missing => "missing",
    }
}

fn paint(state: State, colours: bool) -> String {
    let colour = match state {
        State::Ok => 32,
        State::Degraded => 33,
        State::Missing => 31,
    };
    if colours { format!("\u{1b}[{colour}m{}\u{1b}[0m", word(state)) } else { word(state).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let good = Check { name: "kernel", state: State::Ok, found: "Linux \u{1b}6".to_owned(), lost: None, remedy: None };
        let bad = Check { name: "CAP_BPF", state: State::Missing, found: "no".to_owned(), lost: Some("all"), remedy: Some("root") };
        let worse = Check { name: "BTF", state: State::Degraded, found: "no".to_owned(), lost: Some("names"), remedy: None };
        assert!(
            text(std::slice::from_ref(&worse), false)
                .ends_with("\nEverything can be collected, some of it in part only: 1 degraded (see above).\n")
        );
        let both = text(&[bad.clone(), worse], false);
        assert!(both.ends_with("\nNot everything can be collected: 1 missing, 1 degraded.\n"));
        let checks = [good, bad];
        let expected = "ok       kernel   Linux \\u{1b}6\nmissing  CAP_BPF  no\n          not collected: all\n          remedy: root\n\nNot everything can be collected: 1 missing.\n";
        assert_eq!(text(&checks, false), expected);
        assert!(text(&checks, true).starts_with("\u{1b}[32mok\u{1b}[0m       kernel"));
        assert!(text(&checks[..1], false).ends_with("\nEverything can be collected.\n"));
        let json = serde_json::to_value(Diagnosis { collectable: false, complete: false, checks: &checks }).unwrap();
        assert_eq!((&json["checks"][1]["state"], &json["collectable"]), (&"missing".into(), &false.into()));
    }
}
