//! Every kind in one program, for uprobe_multi links (Linux 6.6): the cookie tells kind and executable.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::bpf_get_attach_cookie,
    macros::{map, uprobe},
    maps::ProgramArray,
    programs::ProbeContext,
};
use goroscope_abi::Cookie;

use crate::count;

/// Always empty. A program with a tail call keeps its variables on the kernel's stack. Without one, Linux 6.13 and later
/// give it one *private stack* for each CPU (64 bytes and more of variables, x86 and arm64), which is meant for programs
/// that nobody interrupts; a multi link's program can be preempted by another task's hit on the same CPU, which would
/// then change the variables of the first. Seen as single events under the wrong kind on Linux 7.2.
#[map]
static NOWHERE: ProgramArray = ProgramArray::with_max_entries(1, 0);

#[uprobe]
fn multi(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the one that the kernel handed to this program.
    let cookie = Cookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    match cookie.kind() {
        Some(kind) => count::hit(&ctx, kind, cookie),
        // No cookie of ours: this does nothing, as the map is empty.
        // SAFETY: the context is the one that the kernel handed to this program.
        None => unsafe { NOWHERE.tail_call(&ctx, 0) },
    }
    0
}
