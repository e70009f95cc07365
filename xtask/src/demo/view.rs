//! The live picture: every Go process in a table, and what the numbers tell, in words. Pure.
//!
//! In: [`Process`]es and [`Rates`]. Out: [`Line`]s without control characters.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

use super::agent::{Count, Finding, Process, Refusal, Site};
use super::rates::Rates;
use super::screen::{Line, Style};
use super::text::{about, exact, printable, rate, short_path, wrap};

/// Of fewer goroutines, or timers, nothing is said.
const MANY: u64 = 10;

/// What a picture is made of.
pub(super) struct Picture<'a> {
    pub(super) processes: &'a [Process],
    pub(super) rates: &'a Rates,
    /// Pids of the demo's own services: they come first.
    pub(super) services: &'a [u32],
    pub(super) elapsed: Duration,
    /// How long the demo runs; none: until Ctrl-C.
    pub(super) length: Option<Duration>,
    pub(super) listen: SocketAddr,
}

impl Picture<'_> {
    /// The picture in at most so many columns and rows.
    pub(super) fn lines(&self, columns: usize, rows: usize) -> Vec<Line> {
        let mut processes: Vec<&Process> = self.processes.iter().collect();
        processes.sort_by_key(|process| (self.rank(process.pid), Reverse(process.count("goroutine_starts").value), process.pid));
        let wrapped = |Line(style, text): Line, indent| wrap(&text, columns, indent).into_iter().map(move |text| Line(style, text));
        let mut lines: Vec<Line> = self.head().into_iter().flat_map(|line| wrapped(line, 0)).collect();
        let tells: Vec<Line> = processes.iter().flat_map(|process| self.tell(process)).flat_map(|line| wrapped(line, 10)).collect();
        let room = rows.saturating_sub(lines.len() + 5 + tells.len().min(rows / 2)).max(2);
        lines.extend(self.table(&processes, columns, room));
        lines.push(Line::plain(""));
        lines.push(Line(Style::Bold, "What that tells".into()));
        if tells.is_empty() {
            lines.push(Line(Style::Dim, "  nothing yet: the services have only just begun".into()));
        }
        lines.extend(tells);
        lines.truncate(rows);
        lines
    }

    fn rank(&self, pid: u32) -> usize {
        self.services.iter().position(|service| *service == pid).unwrap_or(self.services.len())
    }

    fn head(&self) -> Vec<Line> {
        let seconds = self.elapsed.as_secs();
        let left = match self.length {
            Some(length) => format!("{seconds} of {} s", length.as_secs()),
            None => format!("{seconds} s, Ctrl-C ends it"),
        };
        vec![
            Line(Style::Bold, format!("goroscope demo: {left}   metrics: http://{}/metrics", self.listen)),
            Line::plain(""),
            Line::plain(
                "The agent counts inside every Go process of this host, from the kernel. None of them was changed, rebuilt or restarted.",
            ),
            Line::plain("`leaky` and `wellbehaved` are this demo's own two services (deploy/demo); all others ran here anyway."),
            Line(
                Style::Dim,
                "~ estimated from short random windows, because counting all would cost too much; [not fewer, not more]".into(),
            ),
            Line::plain(""),
        ]
    }

    fn table(&self, processes: &[&Process], columns: usize, room: usize) -> Vec<Line> {
        let shown = COLUMNS.iter().filter(|column| column.needs <= columns).collect::<Vec<_>>();
        let row = |cells: &dyn Fn(&Column) -> String| -> String {
            let cells: Vec<String> = shown.iter().map(|column| column.pad(&cells(column))).collect();
            cells.join("  ").trim_end().to_owned()
        };
        let mut lines = vec![Line(Style::Dim, groups(&shown)), Line(Style::Bold, row(&|column| column.head.to_owned()))];
        for process in processes.iter().take(room) {
            let cells = self.cells(process);
            let text = row(&|column| cells.of(column.cell));
            let style = if process.state == "refused" { Style::Dim } else { Style::Plain };
            lines.push(Line(style, text));
        }
        if processes.len() > room {
            lines.push(Line(Style::Dim, format!("and {} more Go processes: /debug/processes has all", processes.len() - room)));
        }
        lines
    }

    fn cells(&self, process: &Process) -> Cells {
        let count = |counter: &str| process.counters.get(counter).map(|count| exact(count.value));
        let per_second = |counter| self.rates.of(process.pid, counter).map(rate);
        let writes = process.map_writes();
        let is_estimate = process.is_exact("map") == Some(false);
        let sign = if is_estimate { "~" } else { "" };
        let refused = || process.refusals.iter().find(|refusal| refusal.family.is_none()).map(why);
        let top = process.top_site("goroutine").map(|site| {
            let place = format!("{}:{} {}", short_path(&site.file), site.line, site.function);
            printable(&place, 60)
        });
        Cells {
            process: printable(&process.process, 15),
            pid: process.pid.to_string(),
            go: printable(process.go_version.trim_start_matches("go"), 8),
            started: count("goroutine_starts"),
            ended: count("goroutine_exits"),
            alive: process.runtime.as_ref().map(|runtime| exact(runtime.goroutines)),
            starts: per_second("goroutine_starts"),
            writes: process.is_exact("map").map(|_| if is_estimate { estimate(writes) } else { exact(writes.value) }),
            write_rate: per_second("map_writes").map(|rate| format!("{sign}{rate}")),
            timers: count("timer_starts"),
            stops: count("timer_stops"),
            top: if process.state == "refused" { refused() } else { top },
        }
    }

    /// What is worth saying of a process; something always, of the demo's own services.
    fn tell(&self, process: &Process) -> Vec<Line> {
        let name = format!("{} {}", printable(&process.process, 15), process.pid);
        let mut lines = vec![];
        lines.extend(process.findings.iter().map(|finding| Line(Style::Bad, format!("  LEAK    {name}: {}", leak(finding)))));
        lines.extend(forgotten_timers(process, self.rates).map(|text| Line(Style::Bad, format!("  TIMERS  {name}: {text}"))));
        if !self.services.contains(&process.pid) {
            return lines;
        }
        if lines.is_empty() && 10 * process.count("goroutine_exits").value >= 9 * process.count("goroutine_starts").value {
            lines.extend(all_is_well(process).map(|text| Line(Style::Good, format!("  fine    {name}: {text}"))));
        }
        lines.extend(map_writers(process, self.rates).map(|text| Line::plain(format!("  maps    {name}: {text}"))));
        lines
    }
}

/// `main.handle leaky/main.go:42`.
fn place(site: &Site) -> String {
    printable(&format!("{} {}:{}", site.function, short_path(&site.file), site.line), 120)
}

fn why(refusal: &Refusal) -> String {
    printable(&format!("not counted: {} {}", refusal.reason, refusal.detail), 48)
}

/// `~360k [331k, 390k]`.
fn estimate(Count { value, low, high }: Count) -> String {
    format!("~{} [{}, {}]", about(value), about(low), about(high))
}

/// What leaks, where its goroutines wait, and how the agent knows.
pub(super) fn leak(finding: &Finding) -> String {
    let Finding { kind, creation_function, creation_site, wait_reason, blocking_function, blocking_site, count, slope, evidence } = finding;
    let (count, growth) = (exact(*count), rate(*slope));
    if kind == "ticker" {
        let text = format!(
            "{evidence}: {creation_function} {creation_site} starts tickers that nobody can stop any more: {count}, {growth} more each second"
        );
        return printable(&text, 300);
    }
    let place = match (blocking_function, blocking_site) {
        (Some(function), Some(site)) => format!("{function} {site} ({wait_reason})"),
        _ => wait_reason.clone(),
    };
    let text = format!(
        "{evidence}: the `go` statement in {creation_function} {creation_site}: {count} goroutines in {place}, {growth} more each second"
    );
    printable(&text, 300)
}

/// Timers that are neither stopped nor fire, and who starts most of them.
fn forgotten_timers(process: &Process, rates: &Rates) -> Option<String> {
    let count = |counter| process.count(counter).value;
    let (starts, done) = (count("timer_starts"), count("timer_stops").saturating_add(count("timer_fires")));
    let grows = rates.keeps_growing(process.pid, "timer_starts");
    if process.is_exact("timer") != Some(true) || !grows || starts < MANY || done.saturating_mul(10) > starts {
        return None;
    }
    let growth = rate(rates.of(process.pid, "timer_starts").unwrap_or(0.0));
    let site = process.top_site("timer")?;
    let (stops, fires) = (exact(count("timer_stops")), exact(count("timer_fires")));
    Some(format!(
        "{} started {} timers or tickers; {stops} were stopped, {fires} fired, and {growth} more each second",
        place(site),
        exact(site.count)
    ))
}

fn all_is_well(process: &Process) -> Option<String> {
    let count = |counter| exact(process.count(counter).value);
    (process.count("goroutine_starts").value >= MANY).then(|| {
        let (starts, exits) = (count("goroutine_starts"), count("goroutine_exits"));
        let (timers, stops, fires) = (count("timer_starts"), count("timer_stops"), count("timer_fires"));
        format!("of {starts} goroutines {exits} ended; of {timers} timers {stops} were stopped and {fires} fired")
    })
}

/// Who writes maps, and how often.
fn map_writers(process: &Process, rates: &Rates) -> Option<String> {
    let site = process.top_site("map").filter(|site| site.count > 0)?;
    let is_exact = process.is_exact("map")?;
    let sign = if is_exact { "" } else { "~" };
    let per_second =
        rates.of(process.pid, "map_writes").map_or_else(String::new, |per_second| format!(", {sign}{} a second", rate(per_second)));
    let writes = process.map_writes();
    let total = if is_exact { exact(writes.value) } else { estimate(writes) };
    Some(format!("{} makes most of {total} map writes{per_second}", place(site)))
}

/// The line above the heads: what several columns have in common, at the first of them.
fn groups(shown: &[&Column]) -> String {
    let mut text = String::new();
    let mut at = 0;
    for column in shown {
        if !column.group.is_empty() {
            text = format!("{text:<at$}{}", column.group);
        }
        at += column.width + 2;
    }
    text
}

/// A cell of a row; none is shown as `-`.
struct Cells {
    process: String,
    pid: String,
    go: String,
    started: Option<String>,
    ended: Option<String>,
    alive: Option<String>,
    starts: Option<String>,
    writes: Option<String>,
    write_rate: Option<String>,
    timers: Option<String>,
    stops: Option<String>,
    top: Option<String>,
}

#[derive(Clone, Copy)]
enum Cell {
    Process,
    Pid,
    Go,
    Started,
    Ended,
    Alive,
    Starts,
    Writes,
    WriteRate,
    Timers,
    Stops,
    Top,
}

impl Cells {
    fn of(&self, cell: Cell) -> String {
        let text = match cell {
            Cell::Process => return self.process.clone(),
            Cell::Pid => return self.pid.clone(),
            Cell::Go => return self.go.clone(),
            Cell::Started => &self.started,
            Cell::Ended => &self.ended,
            Cell::Alive => &self.alive,
            Cell::Starts => &self.starts,
            Cell::Writes => &self.writes,
            Cell::WriteRate => &self.write_rate,
            Cell::Timers => &self.timers,
            Cell::Stops => &self.stops,
            Cell::Top => &self.top,
        };
        text.clone().unwrap_or_else(|| "-".to_owned())
    }
}

/// A column, shown on terminals of at least `needs` columns.
struct Column {
    cell: Cell,
    group: &'static str,
    head: &'static str,
    width: usize,
    /// Numbers stand at the right.
    right: bool,
    needs: usize,
}

impl Column {
    const fn new(cell: Cell, group: &'static str, head: &'static str, width: usize, right: bool, needs: usize) -> Self {
        Self { cell, group, head, width, right, needs }
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.right { format!("{text:>width$}") } else { format!("{text:<width$}") }
    }
}

const COLUMNS: [Column; 12] = [
    Column::new(Cell::Process, "", "process", 15, false, 0),
    Column::new(Cell::Pid, "", "pid", 7, true, 0),
    Column::new(Cell::Go, "", "Go", 8, false, 104),
    Column::new(Cell::Started, "goroutines", "started", 8, true, 0),
    Column::new(Cell::Ended, "", "ended", 8, true, 0),
    Column::new(Cell::Alive, "", "live", 7, true, 0),
    Column::new(Cell::Starts, "", "starts/s", 8, true, 94),
    Column::new(Cell::Writes, "map writes", "total", 20, true, 126),
    Column::new(Cell::WriteRate, "", "writes/s", 8, true, 0),
    Column::new(Cell::Timers, "timers", "started", 8, true, 84),
    Column::new(Cell::Stops, "", "stopped", 8, true, 84),
    Column::new(Cell::Top, "", "most goroutines come from", 25, false, 153),
];

#[cfg(test)]
mod tests;
