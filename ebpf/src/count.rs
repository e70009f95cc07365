//! What every hit does: find the process, count the kind, count the site.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_ktime_get_ns},
    programs::ProbeContext,
};
use goroscope_abi::{
    Cookie, Counters, Drop, Executable, Kind, ProcessInfo, ProcessKey, Record, RecordKind, SiteKey, record::HITS_PER_RECORD,
};

use crate::{
    emit, goabi,
    maps::{COUNTERS, EXECUTABLES, PROCESSES, SITES},
    site,
};

/// Counts one hit of `kind`.
#[inline(always)]
pub(crate) fn hit(ctx: &ProbeContext, kind: Kind, cookie: Cookie) {
    if !goabi::passed_stack_check(ctx) {
        return;
    }
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    // SAFETY: a map value; the agent replaces it whole.
    let mut process = unsafe { PROCESSES.get_ptr(tgid).map(|info| *info) }.unwrap_or_default();
    if process.slot == 0 {
        // A process that the agent has not met yet: the link knows its executable, and where it is.
        introduce(&mut process, ctx, cookie);
    } else if cookie.slot() != 0 && cookie.slot() != process.slot {
        // A second link that reaches the same inode by another name must not count its hits again.
        return;
    }
    let executable = if process.slot == 0 { None } else { EXECUTABLES.get(process.slot) };
    let key = ProcessKey { exec_ns: process.exec_ns, tgid, pad: 0 };
    let Some(counters) = counters_of(key) else {
        emit::lost(Drop::CountersFull);
        return;
    };
    if executable.is_some_and(|executable| executable.gate & kind.family().bit() == 0) {
        // SAFETY: a live per-CPU map value.
        emit::add_one_of(unsafe { &raw mut (*counters).gated }, kind.family() as u32);
        return;
    }
    count(counters, key, kind, &process);
    if kind.has_site() {
        if let Err(drop) = count_site(ctx, key, kind, &process, executable) {
            // SAFETY: a live per-CPU map value.
            emit::add_one_of(unsafe { &raw mut (*counters).unsited }, kind as u32);
            emit::lost(drop);
        }
    }
}

/// What the cookie says of a process, where there is one.
#[inline(always)]
fn introduce(process: &mut ProcessInfo, ctx: &ProbeContext, cookie: Cookie) {
    if cookie.address() != 0 {
        process.slot = cookie.slot();
        process.bias = goabi::instruction(ctx).wrapping_sub(cookie.address());
    }
}

/// The process' counters on this CPU, which its first hit makes.
#[inline(always)]
fn counters_of(key: ProcessKey) -> Option<*mut Counters> {
    COUNTERS.get_ptr_mut(key).or_else(|| {
        // Another CPU may be first: then its entry serves.
        let _ = COUNTERS.insert(key, Counters::default(), u64::from(BPF_NOEXIST));
        COUNTERS.get_ptr_mut(key)
    })
}

/// Adds one to the process' counter, and tells the agent now and then.
#[inline(always)]
fn count(counters: *mut Counters, key: ProcessKey, kind: Kind, process: &ProcessInfo) {
    // SAFETY: a live per-CPU map value.
    let hits = unsafe {
        (*counters).slot = u64::from(process.slot);
        (*counters).bias = process.bias;
        *emit::add_one_of(&raw mut (*counters).hits, kind as u32)
    };
    if hits % HITS_PER_RECORD == 0 {
        emit::record(Record {
            // SAFETY: no arguments.
            time_ns: unsafe { bpf_ktime_get_ns() },
            exec_ns: key.exec_ns,
            tgid: key.tgid,
            kind: RecordKind::Hits as u32,
            family: kind.family() as u32,
            pad: 0,
        });
    }
}

/// Adds one to the counter of the code that did it.
#[inline(always)]
fn count_site(
    ctx: &ProbeContext,
    process: ProcessKey,
    kind: Kind,
    info: &ProcessInfo,
    executable: Option<&Executable>,
) -> Result<(), Drop> {
    let pc = caller(ctx, kind, info, executable).ok_or(Drop::SiteUnread)?;
    let key = SiteKey { process, pc, kind: kind as u32, pad: 0 };
    let hits = SITES.get_ptr_mut(key).or_else(|| {
        let _ = SITES.insert(key, 0, u64::from(BPF_NOEXIST));
        SITES.get_ptr_mut(key)
    });
    emit::add_one(hits.ok_or(Drop::SitesFull)?);
    Ok(())
}

/// The return address in the code that did it; in its library caller while the process is not known yet.
#[inline(always)]
fn caller(ctx: &ProbeContext, kind: Kind, info: &ProcessInfo, executable: Option<&Executable>) -> Option<u64> {
    if matches!(kind, Kind::GoroutineStart) {
        // newproc1(fn, callergp, callerpc) runs on g0: the creator's own frames hang on callergp.
        let pc = goabi::argument_2(ctx);
        let Some(executable) = executable else { return Some(pc) };
        let frame = creator_frame(executable, goabi::argument_1(ctx), pc).unwrap_or(0);
        return Some(site::outside_library(executable, info, pc, frame));
    }
    let pc = goabi::return_address(ctx)?;
    let Some(executable) = executable else { return Some(pc) };
    Some(site::outside_library(executable, info, pc, goabi::caller_frame(ctx)))
}

/// The frame pointer of the function that holds the `go` statement: saved, with newproc's frame below it, in the
/// creating goroutine when it switched to g0. None where the layout is unknown or the frame is another one.
#[inline(always)]
fn creator_frame(executable: &Executable, creator: u64, pc: u64) -> Option<u64> {
    if executable.g_sched_bp == 0 {
        return None;
    }
    let newproc = goabi::word(creator.wrapping_add(executable.g_sched_bp))?;
    if goabi::word(newproc.wrapping_add(8))? != pc {
        return None;
    }
    goabi::word(newproc)
}
