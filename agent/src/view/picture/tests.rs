//! What people see, at the sizes that they have.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::*;
use crate::view::{
    rows::{most_growing, rows},
    testing::{accused, busy, leaky, quiet, refused, report},
};

fn draw(processes: &dyn Fn(u64) -> Vec<ProcessReport>, columns: u16, rows_: u16, colours: bool) -> Buffer {
    let mut history = History::default();
    for second in [0, 5, 10] {
        history.note(&report(second, processes(second)));
    }
    let report = report(10, processes(10));
    let rows = rows(&report, &history, Order::Growth);
    let about = About { version: "0.1.0", metrics: "http://127.0.0.1:9640/metrics".into() };
    let log = ["01:02:03Z INFO attached".to_owned(), "01:02:04Z WARN odd\x1b[2J".to_owned()];
    let picture = Picture {
        about: &about,
        report: Some(&report),
        history: &history,
        rows: &rows,
        selected: most_growing(&rows),
        order: Order::Growth,
        log: &log,
        theme: Theme { colours },
    };
    let mut terminal = Terminal::new(TestBackend::new(columns, rows_)).unwrap();
    terminal.draw(|frame| picture.draw(frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
    symbols.chunks(width).map(|row| row.concat().trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn four(second: u64) -> Vec<ProcessReport> {
    vec![busy(second), refused(), quiet(), leaky(second)]
}

#[test]
fn a_small_terminal() {
    let expected = "\
goroscope 0.1.0                                q quit  \u{2191}\u{2193} select  s sort: growth
  process             pid goroutines trend       /min created/s waits for
> leaky                10        210 ▁▅█       +1.20k      20.0 chan receive 205
  busy                 11      1,200 ▁▁▁            0       400 IO wait 1,200
  quiet                12          1 ▁              -         - sleep 1
  odd?[2J               9 not observed: unsupported_go_version (go1.99?[31m)
────────────────────────────────────────────────────────────────────────────────
leaky 10  /bin/leaky
210 created, 0 ended  heap 3.00M of 6.00M, 2 GCs  GOMAXPROCS 2, 7 threads  GOGC…
    count     /min  created by                            doing          blocked
      205   +1.20k  main.handle leaky/main.go:35          chan receive       10s
        3           main.handle leaky/main.go:35          select             10s
        1           main goroutine, or C                  running
           5 of the runtime itself







agent  http://127.0.0.1:9640/metrics  3 attached, 1 refused  lost: ring_buffer_f
01:02:03Z INFO attached
01:02:04Z WARN odd?[2J";
    assert_eq!(text(&draw(&four, 80, 24, true)), expected);
}

#[test]
fn a_large_terminal_shows_more() {
    let shown = text(&draw(&four, 160, 50, true));
    for expected in ["heap/goal", "3.00M/6.00M", "~1.00k", "5.0", "chan receive 205, select 3", "lost: ring_buffer_full 2"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn leaks_are_told_between_the_processes_and_the_one_that_is_selected() {
    let shown = text(&draw(&|second| vec![busy(second), accused(second, 2)], 180, 40, true));
    for expected in [
        "leaks in             proof     count    /min  limit in created by",
        "leaky 10             proven      200  +1.20k     2h05m service.(*Server).handle leaky/main.go:35",
        " chan receive at leaky/wait.go:7, over 2",
        " ticker, never stopped at leaky/wait.go:7",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let shown = text(&draw(&|second| vec![busy(second), accused(second, 30)], 80, 24, true));
    assert!(shown.contains("28 more leaks (/debug/findings has all)"), "{shown}");
    assert!(shown.contains("leaky/main.go:35") && shown.contains("> leaky"), "{shown}");
}

#[test]
fn no_size_is_too_small_and_no_list_too_long() {
    let many = |second: u64| {
        let named = |pid| ProcessReport { pid, ..busy(second) };
        (100..300).map(named).chain([accused(second, 50)]).collect::<Vec<_>>()
    };
    for (columns, rows) in [(1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
        let shown = text(&draw(&many, columns, rows, true));
        assert!(rows < 24 || shown.contains("> leaky") && shown.contains("more: arrow keys"), "{shown}");
        draw(&|_| Vec::new(), columns, rows, true);
    }
}

#[test]
fn colours_are_an_extra() {
    use ratatui::style::Color;
    let coloured = |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    let (with, without) = (draw(&four, 80, 24, true), draw(&four, 80, 24, false));
    assert!(coloured(&with) && !coloured(&without));
    assert_eq!(text(&with), text(&without));
}
