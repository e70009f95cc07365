//! The agent's own log: lines on standard error, as text or as JSON, and, beside a live view, kept in memory.
//!
//! In: what to log and how. Out: nothing; `tracing` macros work afterwards. Must not know: flags, files, what a view is.

mod tail;

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{self, MakeWriter, writer::OptionalWriter},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use self::tail::Clock;
pub use self::tail::{Hold, Tail};
use crate::config::{LogFilter, LogFormat};

/// Starts logging. To be called once, before the first thread. Colours only where a person reads: on a terminal and without
/// `NO_COLOR`. With a `tail` the last lines are kept there too, as text, and standard error is silent while that is held.
///
/// # Errors
/// Logging has been started before.
pub fn init(filter: &LogFilter, format: LogFormat, tail: Option<&Tail>) -> Result<(), TryInitError> {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = self::filter(filter);
    let layers = match tail.cloned() {
        None => vec![lines(format, colours, io::stderr)],
        Some(tail) => {
            let kept = fmt::layer().with_ansi(false).with_target(false).with_timer(Clock).with_writer(tail.clone()).boxed();
            let stderr = move || if tail.is_held() { OptionalWriter::none() } else { OptionalWriter::some(io::stderr()) };
            vec![lines(format, colours, stderr), kept]
        }
    };
    tracing_subscriber::registry().with(layers).with(filter).try_init()
}

/// The client of Kubernetes logs each failure, which rooms tell once: it is silent unless it is asked for by name.
fn filter(filter: &LogFilter) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("kube_client=off,kube_runtime=off,{}", filter.as_str()))
}

fn lines<W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match format {
        LogFormat::Text => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(writer).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter = super::filter(&LogFilter::parse(filter).unwrap());
        let subscriber = tracing_subscriber::registry().with(lines(format, false, move || writer.clone())).with(filter);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(pid = 7, process = "a\"\u{1b}[31m", "attached");
            tracing::debug!("detail");
            tracing::debug!(target: "goroscope::tracer", "room");
            tracing::error!(target: "kube_client::client::builder", "client");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_are_json_with_fields_at_the_top() {
        let lines = logged("info", LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(lines.trim_end()).unwrap();
        assert_eq!((&line["message"], &line["pid"], &line["process"]), (&"attached".into(), &7.into(), &"a\"\u{1b}[31m".into()));
    }

    #[test]
    fn text_has_no_escapes_and_levels_hold() {
        let lines = logged("info", LogFormat::Text);
        assert!(lines.contains("attached pid=7") && !lines.contains("detail") && !lines.contains('\u{1b}'), "{lines}");
        let lines = logged("warn,goroscope::tracer=debug", LogFormat::Text);
        assert!(lines.contains("room") && lines.lines().count() == 1, "{lines}");
        let lines = logged("warn,kube_client=error", LogFormat::Text);
        assert!(lines.contains("client") && lines.lines().count() == 1, "{lines}");
    }
}
