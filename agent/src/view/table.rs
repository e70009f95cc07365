//! The table of processes: which columns there is room for, and what stands in them. Pure.
//!
//! In: [`Row`]s and the history. Out: [`Line`]s of a given width. Must not know: Reports, keys, where on the screen it stands.

use ratatui::text::{Line, Span};

use super::{
    history::History,
    rows::Row,
    text::{bytes, change, fit, number, rate, sparkline},
    theme::Theme,
};

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Process,
    Pid,
    Go,
    Goroutines,
    Trend,
    Slope,
    Created,
    Heap,
    Gc,
    MapWrites,
    Timers,
    TimerStarts,
    Waits,
}

/// A column, shown on terminals of at least `needs` columns.
struct Column {
    cell: Cell,
    head: &'static str,
    width: usize,
    /// Numbers stand at the right.
    right: bool,
    needs: usize,
}

const COLUMNS: [Column; 13] = [
    Column::new(Cell::Process, "process", 15, false, 0),
    Column::new(Cell::Pid, "pid", 7, true, 0),
    Column::new(Cell::Go, "Go", 8, false, 100),
    Column::new(Cell::Goroutines, "goroutines", 10, true, 0),
    Column::new(Cell::Trend, "trend", TREND, false, 62),
    Column::new(Cell::Slope, "/min", 7, true, 0),
    Column::new(Cell::Created, "created/s", 9, true, 72),
    Column::new(Cell::Heap, "heap/goal", 11, true, 112),
    Column::new(Cell::Gc, "GC/s", 5, true, 112),
    Column::new(Cell::MapWrites, "maps/s", 7, true, 122),
    Column::new(Cell::TimerStarts, "timers/s", 8, true, 132),
    Column::new(Cell::Timers, "timers", 7, true, 142),
    // As wide as there is room.
    Column::new(Cell::Waits, "waits for", 0, false, 0),
];

/// Bars of a trend on small terminals; twice as many on large ones.
const TREND: usize = 8;
const LARGE: usize = 150;

/// In front of each row: which one is selected, also without colours.
const MARK: usize = 2;

impl Column {
    const fn new(cell: Cell, head: &'static str, width: usize, right: bool, needs: usize) -> Self {
        Self { cell, head, width, right, needs }
    }

    const fn width(&self, columns: usize) -> usize {
        if matches!(self.cell, Cell::Trend) && columns >= LARGE { 2 * self.width } else { self.width }
    }
}

/// Heads and rows for so many columns and lines; the selected row is among them, and what is left out is told.
pub(super) fn lines(
    rows: &[Row],
    history: &History,
    selected: Option<u32>,
    columns: usize,
    room: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let shown: Vec<(&Column, usize)> = widths(columns);
    let heads = shown.iter().map(|(column, width)| fit(column.head, *width, column.right)).collect::<Vec<_>>().join(" ");
    let mut lines = vec![Line::styled(format!("{}{heads}", " ".repeat(MARK)), theme.head())];
    let room = room.saturating_sub(1);
    let fits = if rows.len() > room { room.saturating_sub(1) } else { room };
    let at = rows.iter().position(|row| Some(row.pid) == selected).unwrap_or(0);
    let first = (at + 1).saturating_sub(fits);
    for row in rows.iter().skip(first).take(fits) {
        lines.push(line(row, history, Some(row.pid) == selected, columns, &shown, theme));
    }
    if rows.len() > fits {
        let left = rows.len() - fits;
        lines.push(Line::styled(
            format!("{}and {left} more: arrow keys show them, /debug/processes has all", " ".repeat(MARK)),
            theme.dim(),
        ));
    }
    lines
}

fn widths(columns: usize) -> Vec<(&'static Column, usize)> {
    let mut shown: Vec<_> = COLUMNS.iter().filter(|column| column.needs <= columns).map(|column| (column, column.width(columns))).collect();
    let taken: usize = shown.iter().map(|(_, width)| width + 1).sum();
    if let Some((_, last)) = shown.last_mut() {
        *last = (columns + 1).saturating_sub(MARK + taken);
    }
    shown
}

fn line(row: &Row, history: &History, selected: bool, columns: usize, shown: &[(&Column, usize)], theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw(if selected { "> " } else { "  " })];
    for (column, width) in shown {
        // A refusal takes the place of all that is not known.
        if let (Some(refused), Cell::Goroutines) = (&row.refused, column.cell) {
            let taken: usize = spans.iter().map(Span::width).sum();
            spans.push(Span::raw(fit(refused, columns.saturating_sub(taken), false)));
            break;
        }
        let text = fit(&cell(column.cell, row, history, *width), *width, column.right);
        let style = if matches!(column.cell, Cell::Slope | Cell::Trend) && row.growth() > 0.0 { theme.growing() } else { theme.plain() };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" "));
    }
    let style = match (selected, row.refused.is_some()) {
        (true, _) => theme.selected(),
        (false, true) => theme.dim(),
        (false, false) => theme.plain(),
    };
    Line::from(spans).style(style)
}

fn cell(cell: Cell, row: &Row, history: &History, width: usize) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let about =
        |per_second: Option<f64>, estimated: bool| per_second.map(|rate_| format!("{}{}", if estimated { "~" } else { "" }, rate(rate_)));
    match cell {
        Cell::Process => row.name.clone(),
        Cell::Pid => row.pid.to_string(),
        Cell::Go => row.go.clone(),
        Cell::Goroutines => or_dash(row.goroutines.map(number)),
        Cell::Trend => sparkline(&history.goroutines(row.pid, width)),
        Cell::Slope => or_dash(row.slope.map(change)),
        Cell::Created => or_dash(row.rates.created.map(rate)),
        Cell::Heap => or_dash(row.heap.map(|(live, goal)| format!("{}/{}", bytes(live), bytes(goal)))),
        Cell::Gc => or_dash(row.rates.gc.map(rate)),
        Cell::MapWrites => or_dash(about(row.rates.map_writes, row.map_writes_estimated)),
        Cell::TimerStarts => or_dash(about(row.rates.timer_starts, row.timer_starts_estimated)),
        Cell::Timers => or_dash(row.timers.map(number)),
        Cell::Waits => waits(&row.waits, width),
    }
}

/// As many as there is room for, each whole: half a number would be another one. Only the first may lose letters.
fn waits(waits: &[(&str, u64)], width: usize) -> String {
    let mut text = String::new();
    for (reason, count) in waits {
        let count = number(*count);
        if text.is_empty() {
            let room = width.saturating_sub(count.len() + 1);
            text = format!("{} {count}", fit(reason, room.min(reason.len()), false));
        } else if text.chars().count() + reason.len() + count.len() + 3 <= width {
            text = format!("{text}, {reason} {count}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_waits_are_whole() {
        let many = [("chan receive", 1200), ("select", 44), ("IO wait", 3)];
        for (width, expected) in [
            (40, "chan receive 1,200, select 44, IO wait 3"),
            (39, "chan receive 1,200, select 44"),
            (28, "chan receive 1,200"),
            (15, "chan rec… 1,200"),
            (6, " 1,200"),
        ] {
            assert_eq!(waits(&many, width), expected);
        }
        assert_eq!(waits(&[], 10), "");
    }
}
