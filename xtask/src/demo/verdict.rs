//! The closing table: the services' own counts beside the agent's, and whether it was right.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::agent::Process;
use super::child::Child;
use super::compare::{self, Row};
use super::screen::{self, Line, Style};
use super::services::Counts;
use super::text::exact;
use super::view;
use crate::step;

/// One service at the end.
pub(super) struct Verdict {
    name: String,
    pid: u32,
    rows: Vec<Row>,
    /// What leaks, in words.
    leaks: Vec<String>,
}

/// Compares what a service did with what the agent saw.
///
/// # Errors
/// The agent does not know the service.
pub(super) fn of(service: &Child, own: &Counts, before: &[Process], after: &[Process]) -> Result<Verdict> {
    let find = |processes: &[Process]| processes.iter().find(|process| process.pid == service.pid()).cloned();
    let missing = || format!("the agent does not know {} (pid {})", service.name, service.pid());
    let (before, after) = (find(before).with_context(missing)?, find(after).with_context(missing)?);
    Ok(Verdict {
        name: service.name.clone(),
        pid: service.pid(),
        rows: compare::rows(own, &before, &after),
        leaks: after.findings.iter().map(view::leak).collect(),
    })
}

/// Prints the table; the agent has ended by now.
///
/// # Errors
/// The agent was wrong somewhere.
pub(super) fn print(verdicts: &[Verdict], length: Duration) -> Result<()> {
    print_lines(verdicts, length)?;
    let wrong = verdicts.iter().flat_map(|verdict| &verdict.rows).filter(|row| !row.holds()).count();
    if wrong > 0 {
        bail!("{wrong} of the agent's counters are not what the services counted themselves");
    }
    Ok(())
}

fn print_lines(verdicts: &[Verdict], length: Duration) -> Result<()> {
    let mut text = vec![Line(
        Style::Bold,
        format!("What the services counted themselves in {}, and what the agent saw from outside", step::seconds(length)),
    )];
    for verdict in verdicts {
        text.push(Line::plain(""));
        text.extend(lines(verdict));
    }
    text.push(Line::plain(""));
    text.extend(summary(verdicts));
    screen::print(&text)
}

fn lines(Verdict { name, pid, rows, leaks }: &Verdict) -> Vec<Line> {
    let mut lines = vec![Line(Style::Bold, format!("{:<24} {:>12}   {:<38} ", format!("{name} (pid {pid})"), "service", "agent"))];
    let (quiet, busy): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_nothing());
    for row in busy {
        let (style, word) = match (row.holds(), row.agent) {
            (false, _) => (Style::Bad, "WRONG"),
            (true, compare::Seen::Exactly(_)) => (Style::Good, "equal"),
            (true, _) => (Style::Good, "within the interval"),
        };
        lines.push(Line(style, format!("  {:<22} {:>12}   {:<38} {word}", row.counter, exact(row.own), row.agent)));
    }
    lines.extend(leaks.iter().map(|leak| Line(Style::Bad, format!("  LEAK  {leak}"))));
    if !quiet.is_empty() {
        let names: Vec<&str> = quiet.iter().map(|row| row.counter.as_str()).collect();
        lines.push(Line(Style::Dim, format!("  neither has any: {}", names.join(", "))));
    }
    lines
}

fn summary(verdicts: &[Verdict]) -> Vec<Line> {
    let rows = || verdicts.iter().flat_map(|verdict| &verdict.rows).filter(|row| !row.is_nothing());
    let equal = rows().filter(|row| row.holds() && matches!(row.agent, compare::Seen::Exactly(_))).count();
    let within = rows().filter(|row| row.holds() && matches!(row.agent, compare::Seen::Between { .. })).count();
    let wrong = rows().filter(|row| !row.holds()).count();
    let right = format!("{equal} equal, {within} estimated with the truth in the interval");
    if wrong > 0 {
        return vec![Line(Style::Bad, format!("Counters: {wrong} WRONG, {right}."))];
    }
    vec![Line(Style::Good, format!("Every number is right: {right}.")), Line::plain("All that the demo started has ended.")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::compare::Seen;

    fn row(counter: &str, own: u64, agent: Seen) -> Row {
        Row { counter: counter.into(), own, agent }
    }

    #[test]
    fn the_closing_table() {
        let rows = vec![
            row("goroutine_starts", 1240, Seen::Exactly(1240)),
            row("map_clears", 0, Seen::Exactly(0)),
            row("map_writes_faststr", 360_000, Seen::Between { low: 331_000, value: 355_000, high: 390_000 }),
        ];
        let mut verdict = Verdict { name: "leaky".into(), pid: 42, rows, leaks: vec!["proven: x".into()] };
        let text: Vec<String> = lines(&verdict).into_iter().map(|Line(_, text)| text).collect();
        let expected = [
            "leaky (pid 42)                service   agent                                  ",
            "  goroutine_starts              1,240   1,240                                  equal",
            "  map_writes_faststr          360,000   ~355,000  [331,000, 390,000]           within the interval",
            "  LEAK  proven: x",
            "  neither has any: map_clears",
        ];
        assert_eq!(text, expected);
        let Line(style, text) = summary(std::slice::from_ref(&verdict)).remove(0);
        assert_eq!((style, text.as_str()), (Style::Good, "Every number is right: 1 equal, 1 estimated with the truth in the interval."));
        verdict.rows.push(row("sleeps", 3, Seen::Exactly(1)));
        assert_eq!(summary(&[verdict]).remove(0).1, "Counters: 1 WRONG, 1 equal, 1 estimated with the truth in the interval.");
    }
}
