//! Every kind in one program, for uprobe_multi links (Linux 6.6): the cookie tells kind and executable.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_get_attach_cookie, macros::uprobe, programs::ProbeContext};
use goroscope_abi::Cookie;

use crate::count;

#[uprobe]
fn multi(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the one that the kernel handed to this program.
    let cookie = Cookie(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    if let Some(kind) = cookie.kind() {
        count::hit(&ctx, kind, cookie);
    }
    0
}
