//! Running other programs: what runs, how long it took, and why it failed with what to do about it.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Runs `command` with its output shown, and says how long it took.
///
/// # Errors
/// The command could not be started or ended with another status than 0; the text ends with `remedy`.
pub(crate) fn run(what: &str, command: &mut Command, remedy: &str) -> Result<Duration> {
    say("..", Colour::Dim, what);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("{what}: cannot start `{}`", shown(command)))?;
    let took = start.elapsed();
    if !status.success() {
        bail!("{what}: `{}` ended with {status}\n  remedy: {remedy}", shown(command));
    }
    say("ok", Colour::Green, &format!("{what} ({})", seconds(took)));
    Ok(took)
}

/// Runs `command` in silence and gives what it printed; on failure its error output is in the error.
///
/// # Errors
/// As [`run`].
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}:\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A line of progress on standard error.
pub(crate) fn note(text: &str) {
    say("--", Colour::Dim, text);
}

/// A line that somebody should read, on standard error.
pub(crate) fn warn(text: &str) {
    say("!!", Colour::Yellow, text);
}

/// A duration for people: `0.4 s`, `72.3 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy)]
enum Colour {
    Dim,
    Green,
    Yellow,
}

fn say(sign: &str, colour: Colour, text: &str) {
    if !std::io::stderr().is_terminal() {
        eprintln!("{sign} {text}");
        return;
    }
    let code = match colour {
        Colour::Dim => 2,
        Colour::Green => 32,
        Colour::Yellow => 33,
    };
    eprintln!("\x1b[{code}m{sign}\x1b[0m {text}");
}
