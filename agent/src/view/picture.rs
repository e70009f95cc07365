//! The whole screen, as data and drawn. Pure.
//!
//! In: the latest Report, its history, what the user chose. Out: cells of a [`Frame`]. Must not know: terminals, keys, threads.
//!
//! From top to bottom: what this is; processes; leaks, once there are any; the selected process closely; the agent itself; its log.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    About,
    detail::{Detail, Group},
    history::History,
    leaks,
    rows::{Order, Row},
    table,
    text::{age, change, fit, fit_end, harmless, number},
    theme::Theme,
};
use crate::model::{ProcessReport, Report};

/// Lines of the log on small and on large terminals.
const LOG: (u16, u16) = (2, 5);
/// From here on a terminal is large, rows.
const LARGE: u16 = 36;

/// Columns of the table of statements that are not the statement.
const COUNT: usize = 9;
const SLOPE: usize = 8;
const BLOCKED: usize = 7;
/// Where a statement and what its goroutines do need not be cut; wider, the eye would lose the line.
const PLACE: usize = 72;

/// Everything that is shown.
pub(super) struct Picture<'a> {
    pub(super) about: &'a About,
    /// None before the first.
    pub(super) report: Option<&'a Report>,
    pub(super) history: &'a History,
    pub(super) rows: &'a [Row],
    pub(super) selected: Option<u32>,
    pub(super) order: Order,
    /// The agent's last words, newest last.
    pub(super) log: &'a [String],
    pub(super) theme: Theme,
}

impl Picture<'_> {
    /// Draws it, whatever the size.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let log = if area.height >= LARGE { LOG.1 } else { LOG.0 };
        let room = area.height.saturating_sub(log + 3);
        let wanted = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
        // Half for each, but what one does not need the other may have.
        let detail = self.process().map_or(0, Detail::lines);
        // A head and a line for each leak; of many, as many as a quarter of the screen takes.
        let leaks = self.report.map_or(0, leaks::count);
        let leaks = if leaks == 0 { 0 } else { wanted(leaks + 1).min((room / 4).max(2)) };
        let room = room.saturating_sub(leaks);
        let table = wanted(self.rows.len() + 1).min(room.saturating_sub(wanted(detail)).max(room.div_ceil(2))).max(2);
        let parts =
            [1, table, leaks, 1].map(Constraint::Length).into_iter().chain([Constraint::Min(0)]).chain([1, log].map(Constraint::Length));
        let [head, table, leaks, gap, detail, agent, log] = Layout::vertical(parts).areas(area);
        let show = |frame: &mut Frame<'_>, lines: Vec<Line<'static>>, area: Rect| frame.render_widget(Paragraph::new(lines), area);
        show(frame, vec![self.head(head.width.into())], head);
        show(frame, self.table(table), table);
        let lines = self.report.map(|report| leaks::lines(report, leaks.width.into(), leaks.height.into(), self.theme));
        show(frame, lines.unwrap_or_default(), leaks);
        frame.render_widget(Paragraph::new(Line::styled("─".repeat(gap.width.into()), self.theme.dim())), gap);
        show(frame, self.detail(detail), detail);
        show(frame, vec![self.agent()], agent);
        let lines = self.log.iter().rev().take(log.height.into()).rev();
        show(frame, lines.map(|line| Line::styled(harmless(line, log.width.into()), self.theme.dim())).collect(), log);
    }

    fn head(&self, columns: usize) -> Line<'static> {
        let name = format!("goroscope {}", self.about.version);
        let keys = format!("q quit  \u{2191}\u{2193} select  s sort: {}", self.order.name());
        let middle = columns.saturating_sub(name.len() + 2);
        Line::from(vec![Span::styled(name, self.theme.head()), Span::raw("  "), Span::styled(fit(&keys, middle, true), self.theme.dim())])
    }

    fn table(&self, area: Rect) -> Vec<Line<'static>> {
        let mut lines = table::lines(self.rows, self.history, self.selected, area.width.into(), area.height.into(), self.theme);
        let word = match self.report {
            None => "  looking for Go processes ...",
            Some(report) if report.agent.starting > 0 => "  looking at the first Go processes ...",
            Some(_) => "  no Go process runs here, or none that this user may see",
        };
        if self.rows.is_empty() {
            lines.push(Line::styled(word, self.theme.dim()));
        }
        lines
    }

    fn process(&self) -> Option<&ProcessReport> {
        let selected = self.selected?;
        self.report?.processes.iter().find(|process| process.pid == selected).map(AsRef::as_ref)
    }

    fn detail(&self, area: Rect) -> Vec<Line<'static>> {
        let (columns, room) = (usize::from(area.width), usize::from(area.height));
        let Some(process) = self.process() else { return Vec::new() };
        // Title, figures, heads, and one line for what is left out.
        let detail = Detail::of(process, self.history, room.saturating_sub(4 + process.refusals.len()));
        let mut lines = vec![Line::styled(fit(&detail.title, columns, false), Style::new().add_modifier(ratatui::style::Modifier::BOLD))];
        if !detail.figures.is_empty() {
            lines.push(Line::raw(fit(&detail.figures, columns, false)));
        }
        lines.extend(detail.refusals.iter().map(|refusal| Line::styled(fit(refusal, columns, false), self.theme.dim())));
        if process.runtime.is_none() {
            return lines;
        }
        let heads = Cells { count: "count", slope: "/min", place: "created by".into(), doing: "doing", blocked: "blocked" };
        lines.push(Line::styled(heads.line(columns), self.theme.head()));
        for group in &detail.groups {
            let style = if group.slope.is_some_and(|slope| slope >= 1.0) { self.theme.growing() } else { self.theme.plain() };
            lines.push(Line::styled(statement(group, columns), style));
        }
        let more = match detail.more {
            (0, _) => String::new(),
            (groups, count) => format!("{} in {groups} more groups (/debug/goroutines has all), ", number(count)),
        };
        lines.push(Line::styled(format!("{:>COUNT$}  {more}{} of the runtime itself", "", number(detail.own)), self.theme.dim()));
        lines
    }

    fn agent(&self) -> Line<'static> {
        let mut spans = vec![Span::styled(format!("agent  {}", self.about.metrics), self.theme.head())];
        let Some(report) = self.report else { return Line::from(spans) };
        let agent = &report.agent;
        let states: Vec<String> = agent.processes.iter().map(|(state, count)| format!("{count} {state}")).collect();
        spans.push(Span::raw(format!("  {}", states.join(", "))));
        let lost: Vec<String> =
            agent.lost.iter().filter(|(_, count)| **count > 0).map(|(what, count)| format!("{what} {}", number(*count))).collect();
        match lost.is_empty() {
            true => spans.push(Span::raw("  nothing lost")),
            false => spans.push(Span::styled(format!("  lost: {}", lost.join(", ")), self.theme.warning())),
        }
        let unread: u64 = agent.memory_failures.values().sum();
        if unread > 0 {
            spans.push(Span::styled(format!("  memory not read: {}", number(unread)), self.theme.warning()));
        }
        let failed: u64 = agent.failed_looks.values().sum();
        if failed > 0 {
            spans.push(Span::styled(format!("  looks for leaks failed: {}", number(failed)), self.theme.warning()));
        }
        if !agent.losses.is_empty() {
            spans.push(Span::styled(format!("  {} not to be had here: /readyz", agent.losses.len()), self.theme.warning()));
        }
        Line::from(spans)
    }
}

/// One line of the table of statements.
struct Cells<'a> {
    count: &'a str,
    slope: &'a str,
    place: String,
    doing: &'a str,
    blocked: &'a str,
}

impl Cells<'_> {
    fn line(&self, columns: usize) -> String {
        let place = place_width(columns);
        [
            fit(self.count, COUNT, true),
            fit(self.slope, SLOPE, true),
            " ".to_owned() + &fit(&self.place, place, false),
            fit(self.doing, doing_width(columns), false),
            fit(self.blocked, BLOCKED, true),
        ]
        .join(" ")
    }
}

fn place_width(columns: usize) -> usize {
    columns.saturating_sub(COUNT + SLOPE + doing_width(columns) + BLOCKED + 5).min(PLACE)
}

/// `sync.WaitGroup.Wait` whole, where there is room.
const fn doing_width(columns: usize) -> usize {
    if columns < 100 { 14 } else { 24 }
}

fn statement(group: &Group, columns: usize) -> String {
    // File and line are what people look for: a long function gives way, first the path of its package, then its beginning.
    let room = place_width(columns).saturating_sub(group.place.chars().count() + 1);
    let short = |function: &str| function.rsplit('/').next().unwrap_or_default().to_owned();
    let function = if group.function.chars().count() > room { fit_end(&short(&group.function), room) } else { group.function.clone() };
    Cells {
        count: &number(group.count),
        slope: &group.slope.map(change).unwrap_or_default(),
        place: format!("{function} {}", group.place),
        doing: group.doing,
        blocked: &group.blocked_for.map(age).unwrap_or_default(),
    }
    .line(columns)
}

#[cfg(test)]
mod tests;
