//! Leaks of all processes, the most certain first. Pure.
//!
//! In: a Report. Out: [`Line`]s of a given width. Must not know: keys, where on the screen it stands.

use ratatui::text::Line;

use super::{
    text::{age, change, fit, fit_end, harmless, number},
    theme::Theme,
};
use crate::model::{Finding, FindingKind, ProcessReport, Report, Site};

/// Characters of a process's or a function's name that are looked at: whoever made the process chose them.
const LONGEST: usize = 200;

/// Columns, but for the statement, which gets what is left, and what else is known, which needs a large terminal.
const PROCESS: usize = 20;
const EVIDENCE: usize = 7;
const COUNT: usize = 7;
const SLOPE: usize = 7;
const LIMIT: usize = 9;
/// Where a statement need not be cut.
const STATEMENT: usize = 60;
const LARGE: usize = 130;

/// How many leaks there are.
pub(super) fn count(report: &Report) -> usize {
    report.processes.iter().map(|process| process.findings.len()).sum()
}

/// A head, and a line for each leak; the last line says how many there is no room for. Nothing where there is no leak.
pub(super) fn lines(report: &Report, columns: usize, room: usize, theme: Theme) -> Vec<Line<'static>> {
    let mut leaks: Vec<(&ProcessReport, &Finding)> =
        report.processes.iter().flat_map(|process| process.findings.iter().map(move |finding| (process.as_ref(), finding))).collect();
    if leaks.is_empty() || room == 0 {
        return Vec::new();
    }
    leaks.sort_by(|(_, a), (_, b)| b.evidence.cmp(&a.evidence).then(b.count.cmp(&a.count)));
    let head = Cells {
        process: "leaks in".into(),
        evidence: "proof",
        count: "count".into(),
        slope: "/min".into(),
        limit: "limit in".into(),
        statement: ("created by".into(), String::new()),
        more: "waits".into(),
    };
    let mut lines = vec![Line::styled(head.line(columns), theme.head())];
    let shown = if leaks.len() < room { leaks.len() } else { room.saturating_sub(2) };
    lines.extend(leaks.iter().take(shown).map(|(process, finding)| Line::styled(cells(process, finding).line(columns), theme.growing())));
    if shown < leaks.len() {
        let more = format!("{} more leaks (/debug/findings has all)", leaks.len() - shown);
        lines.push(Line::styled(fit(&more, columns, false), theme.dim()));
    }
    lines
}

struct Cells {
    process: String,
    evidence: &'static str,
    count: String,
    slope: String,
    limit: String,
    /// The function, and the place.
    statement: (String, String),
    more: String,
}

fn cells(process: &ProcessReport, finding: &Finding) -> Cells {
    let kind = match finding.kind {
        FindingKind::GoroutineLeak => finding.wait_reason.to_owned(),
        FindingKind::Ticker => "ticker, never stopped".to_owned(),
    };
    let place = finding.blocked_in.as_ref().map(|site| format!(" at {}", site.place())).unwrap_or_default();
    let restarts = if finding.restarts > 0 { format!(", over {} restarts", finding.restarts) } else { String::new() };
    Cells {
        process: harmless(&format!("{} {}", process.identity.process, process.pid), LONGEST),
        evidence: finding.evidence.as_str(),
        count: number(finding.count),
        slope: change(finding.slope * 60.0),
        limit: finding.projection.map(|projection| age(projection.reached_in)).unwrap_or_default(),
        statement: (harmless(&finding.created_by.function, LONGEST), harmless(&Site::place(&finding.created_by), LONGEST)),
        more: harmless(&format!("{kind}{place}{restarts}"), LONGEST),
    }
}

impl Cells {
    fn line(&self, columns: usize) -> String {
        let left = columns.saturating_sub(PROCESS + EVIDENCE + COUNT + SLOPE + LIMIT + 5);
        let room = if columns < LARGE { left } else { left.saturating_sub(24).min(STATEMENT) };
        let more = left.saturating_sub(room + 1);
        let (function, place) = &self.statement;
        // File and line are what people look for: a long function gives way.
        let short = function.rsplit('/').next().unwrap_or_default();
        let function = fit_end(short, room.saturating_sub(place.chars().count() + 1));
        let mut parts = vec![
            fit(&self.process, PROCESS, false),
            fit(self.evidence, EVIDENCE, false),
            fit(&self.count, COUNT, true),
            fit(&self.slope, SLOPE, true),
            fit(&self.limit, LIMIT, true),
            fit(format!("{function} {place}").trim(), room, false),
        ];
        if more > 0 {
            parts.push(fit(&self.more, more, false));
        }
        parts.join(" ")
    }
}
