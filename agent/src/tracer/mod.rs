//! Loads the kernel side, attaches it, reads its maps: the only user of aya.
//!
//! In: probes of a plan, an open executable. Out: links (dropping one detaches), counters, records.
//! Knows nothing of /proc, of Go, or of who a process is.
//!
//! Three parts with three owners, made by [`load`]: [`Maps`] (counters, processes, gates), [`Switch`] (links) and
//! [`Records`] (the ring buffer).

mod batch;
mod breakpoint;
mod error;
mod features;
mod maps;
mod multi;
mod records;
mod switch;
mod sys;

use std::sync::Arc;

use aya::{Ebpf, EbpfLoader, programs::RawTracePoint};
#[cfg(test)]
use goroscope_abi::ProcessKey;
use tracing::{debug, warn};

pub use self::{
    breakpoint::breakpoint,
    error::{AttachError, LoadError},
    features::features,
    maps::{Hits, Maps, SiteHits},
    records::{Record, Records},
    switch::{Link, Switch},
};

/// The kernel side, built by `cargo xtask build`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/goroscope.bpf.o"));

/// What [`load`] hands out.
pub struct Tracer {
    /// Counters, processes, gates.
    pub maps: Arc<Maps>,
    /// Makes links; none without a kernel side.
    pub switch: Option<Switch>,
    /// Exec, exit and hit records; none without a kernel side.
    pub records: Option<Records>,
    /// Whether new and ended processes are told by [`Records`].
    pub sees_processes: bool,
    /// What this kernel does not give, for people.
    pub losses: Vec<String>,
}

/// Loads the kernel side and starts to see processes. `entries` are sizes of maps that differ from their own, by name; of the ring buffer
/// in records.
///
/// # Errors
/// A missing capability or kernel feature, named with its remedy.
pub fn load(entries: &[(&'static str, u32)]) -> Result<Tracer, LoadError> {
    raise_memlock();
    let diagnostics = u8::from(tracing::enabled!(tracing::Level::DEBUG)) * 4;
    if features::has_pids_of_host() == Some(false) {
        return Err(LoadError::PidNamespace);
    }
    let mut loader = EbpfLoader::new();
    loader.override_global("AYA_LOG_LEVEL", &diagnostics, false);
    for (map, entries) in entries {
        loader.map_max_entries(map, if *map == "RECORDS" { records::bytes(*entries) } else { *entries });
    }
    let mut ebpf = loader.load(OBJECT).map_err(LoadError::from)?;
    let mut losses: Vec<String> = lacking_ptrace().into_iter().collect();
    let mut sees_processes = true;
    for program in ["process_exec", "process_exit"] {
        if let Err(error) = see_processes(&mut ebpf, program) {
            sees_processes = false;
            warn!(program, %error, "no raw tracepoint: new processes are found by scanning /proc");
            losses.push(format!("raw tracepoint {program}: {error}; new processes are found by scanning /proc"));
        }
    }
    let multi = match multi::load(OBJECT, &ebpf) {
        Ok(program) => Some(program),
        Err(error) => {
            debug!(%error, "no uprobe_multi links");
            losses.push(format!("uprobe_multi links (Linux 6.6): {error}; perf links are used, which attach slower"));
            None
        }
    };
    // After the multi program is on top of all maps: this one takes a map away.
    if diagnostics > 0 {
        records::pump_diagnostics(&mut ebpf);
    }
    let records = Records::new(&mut ebpf)?;
    let maps = Arc::new(Maps::new(&mut ebpf)?);
    let switch = Switch::new(ebpf, multi)?;
    Ok(Tracer { maps, switch: Some(switch), records: Some(records), sees_processes, losses })
}

/// What there is on a host that does not take the kernel side, and why it does not: processes are found by scanning /proc, and only
/// what their memory tells is known.
#[must_use]
pub fn without_kernel_side(error: &LoadError) -> Tracer {
    let loss = format!("{error}; map writes, timers and creations by site are not counted, and new processes are found by scanning /proc");
    Tracer { maps: Arc::new(Maps::absent()), switch: None, records: None, sees_processes: false, losses: vec![loss] }
}

/// Whether the memory of other processes may be read.
#[must_use]
pub fn may_read_memory() -> bool {
    features::read_memory().is_ok()
}

fn see_processes(ebpf: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    let program: &mut RawTracePoint = ebpf.program_mut(name).ok_or(LoadError::Object(name))?.try_into().map_err(LoadError::from)?;
    program.load().map_err(LoadError::from)?;
    let tracepoint = match name {
        "process_exec" => "sched_process_exec",
        _ => "sched_process_exit",
    };
    program.attach(tracepoint).map_err(LoadError::from)?;
    Ok(())
}

/// Without CAP_SYS_PTRACE other users' executables cannot be opened: said once, as each of them would be a failure of its own.
fn lacking_ptrace() -> Option<String> {
    features::lacks_ptrace()
        .then(|| "CAP_SYS_PTRACE is missing: processes of other users cannot be looked at; grant it, or run as root".to_owned())
}

/// Before Linux 5.11 maps are accounted to RLIMIT_MEMLOCK; afterwards this changes nothing.
fn raise_memlock() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let unlimited = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Memlock, unlimited).is_err() {
        // Without CAP_SYS_RESOURCE the hard limit is the most that can be had.
        let maximum = getrlimit(Resource::Memlock).maximum;
        let _ = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    }
}

#[cfg(test)]
mod tests;
