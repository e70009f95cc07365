//! What this kernel and these rights allow, each found out by trying it once.

use std::{
    error::Error,
    fs::{self, File},
    os::unix::process::parent_id,
    path::Path,
};

use aya::{Ebpf, EbpfLoader};
use goroscope_abi::Kind;
use goroscope_gobin::{FileOffset, VirtualAddress};

use super::{OBJECT, breakpoint::read, multi, raise_memlock, see_processes, switch::Switch};
use crate::model::{Feature, Features, Probe, Slot, with_causes};

/// Inode number of the first pid namespace, `PROC_PID_INIT_INO` of the kernel.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Tries everything that the tracer can make use of. Nothing stays behind.
#[must_use]
pub fn features() -> Features {
    raise_memlock();
    let mut ebpf = match EbpfLoader::new().load(OBJECT) {
        Ok(ebpf) => ebpf,
        Err(error) => return without_maps(&said(&error)),
    };
    let raw_tracepoint = see_processes(&mut ebpf, "process_exec").map_err(|error| said(&error));
    let (attach_cookie, uprobe_multi) = match multi::load_program(OBJECT, &ebpf) {
        Ok(program) => (Ok(()), multi::known(&program).map_err(|error| said(&error))),
        Err(error) => (Err(said(&error)), Err(said(&error))),
    };
    Features {
        ring_buffer: Ok(()),
        uprobe_multi,
        perf_uprobe: perf_uprobe(ebpf),
        raw_tracepoint,
        attach_cookie,
        pids_of_host: has_pids_of_host(),
        read_memory: read_memory(),
    }
}

/// The maps cannot even be made.
fn without_maps(why: &str) -> Features {
    let no = || Err(why.to_owned());
    Features {
        ring_buffer: no(),
        uprobe_multi: no(),
        perf_uprobe: no(),
        raw_tracepoint: no(),
        attach_cookie: no(),
        pids_of_host: has_pids_of_host(),
        read_memory: read_memory(),
    }
}

/// A perf uprobe at this program's own first byte, which has run long ago.
fn perf_uprobe(ebpf: Ebpf) -> Feature {
    let mut switch = Switch::new(ebpf, None).map_err(|error| said(&error))?;
    let own = File::open("/proc/self/exe").map_err(|error| said(&error))?;
    let probe = Probe {
        kind: Kind::GoroutineStart,
        function: String::new(),
        offset: FileOffset(0),
        address: VirtualAddress(0),
        bytes: Vec::new(),
        instruction: "",
    };
    switch.attach(&own, Slot(1), &[probe]).map(drop).map_err(|error| said(&error))
}

/// Whether pids are the same here as to the kernel's programs. `None`: it cannot be found out.
pub(super) fn has_pids_of_host() -> Option<bool> {
    fs::read_link("/proc/self/ns/pid").ok().map(|name| name == Path::new(FIRST_PID_NAMESPACE))
}

/// The memory of the parent, which is another process that is there for sure: at an address where it has none, so that
/// only the right to look is asked for. The first process of a pid namespace has no parent in it.
pub(super) fn read_memory() -> Feature {
    if parent_id() == 0 {
        return if lacks_ptrace() { Err("CAP_SYS_PTRACE is missing".to_owned()) } else { Ok(()) };
    }
    match read(parent_id(), 0, &mut [0]) {
        Err(error) if error.raw_os_error() != Some(libc::EFAULT) => Err(said(&error)),
        _ => Ok(()),
    }
}

/// Whether CAP_SYS_PTRACE is not effective, as far as that is known.
pub(super) fn lacks_ptrace() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| !sets.effective.contains(CapabilitySet::SYS_PTRACE))
}

fn said(error: &(dyn Error + 'static)) -> String {
    with_causes(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_namespace_of_this_process_is_known() {
        assert!(has_pids_of_host().is_some());
    }
}
