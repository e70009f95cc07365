//! `goroscope goroutines`: every goroutine of one process, by the statement that made it and what it waits for.
//!
//! Input noun: a pid. Output: a table, JSON, a profile for `go tool pprof`. Must not know kernels: reading needs CAP_SYS_PTRACE, or the
//! process' own user, and no BPF.

mod show;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use super::{file, text};
use crate::{
    analysis::Analyser,
    discovery::{Life, Listed, ProcError, ProcRoot},
    export::pprof,
    goruntime::{ProcessMemory, Runtime, RuntimeError, Waits},
    looks::clock,
    model::{Goroutine, Memory, Refusal, RuntimeAddress, RuntimeFigures},
    profile::{Groups, Names},
    symbolize::Symbolizer,
};

/// Goroutines whose waits are timed by two censuses, 32 bytes each.
const WAITS_MAX: usize = 16 << 20;

/// What to tell of which process.
#[derive(Clone, Debug)]
pub struct Question {
    /// The process.
    pub pid: u32,
    /// JSON instead of a table.
    pub json: bool,
    /// Where a profile is written to.
    pub pprof: Option<PathBuf>,
    /// Whether stacks are read where they are shown.
    pub stacks: bool,
    /// Calls of a stack.
    pub depth: usize,
    /// Rows of the table.
    pub top: usize,
    /// Time between two censuses, by which it is told who has not run; with one only what the collector has noted tells it.
    pub time: Option<Duration>,
}

/// Why there is no answer. Each says what helps, if anything does.
#[derive(Debug, thiserror::Error)]
pub enum GoroutinesError {
    /// The kernel does not let this user read it.
    #[error(
        "not permitted to read the memory of process {pid}: run this as root or with CAP_SYS_PTRACE, and in a container with its pid namespace"
    )]
    NotPermitted {
        /// The process.
        pid: u32,
    },
    /// There is none, or it ended meanwhile.
    #[error("process {pid} does not exist: is it in another pid namespace, or has it ended?")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// /proc does not tell what it is.
    #[error(transparent)]
    Process(ProcError),
    /// It is no Go program, or not one that can be read.
    #[error("{exe} is not read: {}: {}", refusal.reason, refusal.detail)]
    Refused {
        /// The executable.
        exe: String,
        /// Why.
        refusal: Refusal,
    },
    /// Its runtime could not be read.
    #[error("the Go runtime of process {pid} cannot be read: {source}")]
    Runtime {
        /// The process.
        pid: u32,
        /// Why.
        source: RuntimeError,
    },
    /// It became another process while it was read.
    #[error("process {pid} was replaced while it was read: try again")]
    Replaced {
        /// The process.
        pid: u32,
    },
    /// The answer could not be written.
    #[error("cannot write {to}: {source}")]
    Write {
        /// To where.
        to: String,
        /// Why.
        source: io::Error,
    },
}

/// What was found.
struct Answer {
    pid: u32,
    exe: String,
    go_version: String,
    taken_at: SystemTime,
    figures: RuntimeFigures,
    groups: Groups,
    names: Names,
}

/// Prints what is asked for.
///
/// # Errors
/// [`GoroutinesError`].
pub fn goroutines(question: &Question) -> Result<(), GoroutinesError> {
    if question.json && question.pprof.as_deref().is_some_and(file::is_standard_output) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it cannot take JSON and a profile: give the profile a file");
        return Err(GoroutinesError::Write { to: "standard output".to_owned(), source });
    }
    let answer = look(question, &ProcRoot::default())?;
    if let Some(path) = &question.pprof {
        write_profile(&answer, path)?;
    }
    let written = match (question.json, &question.pprof) {
        (true, _) => text::print(&show::json(&answer)),
        // The profile is the answer.
        (false, Some(_)) => Ok(()),
        (false, None) => text::print(&show::table(&answer, question.top)),
    };
    written.map_err(|source| GoroutinesError::Write { to: "standard output".to_owned(), source })
}

fn look(question: &Question, root: &ProcRoot) -> Result<Answer, GoroutinesError> {
    let pid = question.pid;
    let process = root.observe(pid).map_err(|error| match error {
        ProcError::Gone { .. } => GoroutinesError::Gone { pid },
        ProcError::NotPermitted { .. } => GoroutinesError::NotPermitted { pid },
        other => GoroutinesError::Process(other),
    })?;
    let exe = process.exe.to_string_lossy().into_owned();
    let listed = Listed { pid, start_ticks: process.start_ticks };
    let refused = |refusal| GoroutinesError::Refused { exe: exe.clone(), refusal };
    let executable = Analyser::patient().analyse(process.file).map_err(refused)?;
    let binary = &executable.binary;
    let facts = binary.runtime.clone().map_err(|refusal| {
        let (reason, detail) = (refusal.reason(), refusal.to_string());
        refused(Refusal { subject: crate::model::Subject::Memory, reason, detail })
    })?;
    let load_bias = process.text.bias_from(binary.text_base());
    let runtime = Runtime::new(ProcessMemory::new(pid), facts, binary.version.minor, load_bias);
    // The pid may be another process' by now, or the process may run another image: what was read is nobody's then.
    let is_replaced = || root.observe(pid).is_ok_and(|now| (now.start_ticks, now.text) != (process.start_ticks, process.text));
    let failed = |source| match source {
        _ if is_replaced() => GoroutinesError::Replaced { pid },
        RuntimeError::Gone => GoroutinesError::Gone { pid },
        RuntimeError::NotPermitted => GoroutinesError::NotPermitted { pid },
        source => GoroutinesError::Runtime { pid, source },
    };
    let mut waits = Waits::new(WAITS_MAX);
    if let Some(time) = question.time {
        first(&runtime, &mut waits).map_err(failed)?;
        // wait: what is told is who does not run in this time
        thread::sleep(time);
    }
    let taken_at = SystemTime::now();
    let figures = runtime.figures().map_err(failed)?;
    let depth = (question.stacks && (question.json || question.pprof.is_some())).then_some(question.depth);
    let symbolizer = Symbolizer::new(Arc::clone(&executable));
    let frame_size = |at: RuntimeAddress| symbolizer.frame_size(at.to_virtual(load_bias));
    let collections = runtime.collections().map_err(failed)?;
    let (now_ns, shares_clock) = (clock(), root.shares_clock(pid));
    waits.begin(now_ns);
    let mut blocked_for = |goroutine: &Goroutine| {
        let noted =
            goroutine.wait_since.and_then(|noted| collections.blocked_since(noted)).filter(|since| shares_clock && *since <= now_ns);
        let since = waits.since(goroutine).into_iter().chain(noted).min()?;
        Some(Duration::from_nanos(now_ns.saturating_sub(since)))
    };
    let groups = Groups::read(&runtime, depth, &frame_size, &mut blocked_for).map_err(failed)?;
    if is_replaced() || !matches!(root.life(listed), Ok(Life::Alive)) {
        return Err(GoroutinesError::Replaced { pid });
    }
    let go_version = binary.version.to_string();
    let names = Names::new(executable, load_bias);
    Ok(Answer { pid, exe, go_version, taken_at, figures, groups, names })
}

/// Notes who is blocked now.
fn first<M: Memory>(runtime: &Runtime<M>, waits: &mut Waits) -> Result<(), RuntimeError> {
    waits.begin(clock());
    runtime.census(&mut |goroutine| {
        waits.since(goroutine);
    })?;
    Ok(())
}

fn write_profile(answer: &Answer, path: &Path) -> Result<(), GoroutinesError> {
    let samples = answer.groups.samples(&answer.names);
    let encoded = pprof::encode(&answer.exe, answer.names.build_id(), answer.taken_at, &samples);
    let written = encoded.and_then(|bytes| file::write(path, &bytes));
    written.map_err(|source| GoroutinesError::Write { to: path.display().to_string(), source })
}
