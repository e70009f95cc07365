//! Processes that get a new image, and processes that end.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_ktime_get_ns},
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use aya_log_ebpf::debug;
use goroscope_abi::{Drop, ProcessInfo, ProcessKey, Record, RecordKind};

use crate::{
    emit,
    maps::{COUNTERS, PROCESSES},
};

/// After exec: the process starts a new life, told from the old one by its time.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
fn process_exec(ctx: RawTracePointContext) -> i32 {
    let tgid = ctx.tgid();
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let info = ProcessInfo { exec_ns: now, ..ProcessInfo::default() };
    let exec_ns = if PROCESSES.insert(tgid, info, 0).is_ok() {
        now
    } else {
        emit::lost(Drop::ProcessesFull);
        0
    };
    debug!(&ctx, "exec {}", tgid);
    emit::record(Record { time_ns: now, exec_ns, tgid, kind: RecordKind::Exec as u32, ..Record::default() });
    0
}

/// At the end of a thread group's leader. A process that no hit and no agent knows is forgotten here; the others are
/// the agent's to read and to free.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn process_exit(ctx: RawTracePointContext) -> i32 {
    let ids = bpf_get_current_pid_tgid();
    let tgid = (ids >> 32) as u32;
    if ids as u32 != tgid {
        return 0;
    }
    // SAFETY: a map value; the agent replaces it whole.
    let info = unsafe { PROCESSES.get_ptr(tgid).map(|info| *info) }.unwrap_or_default();
    let key = ProcessKey { exec_ns: info.exec_ns, tgid, pad: 0 };
    if info.slot == 0 && COUNTERS.get_ptr(key).is_none() {
        let _ = PROCESSES.remove(tgid);
        return 0;
    }
    debug!(&ctx, "exit {}", tgid);
    emit::record(Record {
        // SAFETY: no arguments.
        time_ns: unsafe { bpf_ktime_get_ns() },
        exec_ns: info.exec_ns,
        tgid,
        kind: RecordKind::Exit as u32,
        ..Record::default()
    });
    0
}
