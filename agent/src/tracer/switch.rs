//! Makes links: one for all probes of a family where the kernel has uprobe_multi, else one perf link each.
//!
//! Attaching and detaching block (a perf link's detach for about 110 ms): for a thread of its own, never the async runtime's.

use std::{
    ffi::CString,
    fs::File,
    os::fd::{AsRawFd as _, OwnedFd},
};

use aya::{
    Ebpf,
    programs::{
        UProbe,
        uprobe::{UProbeLink, UProbeScope},
    },
};
use goroscope_abi::Kind;

use super::{
    error::{AttachError, LoadError},
    multi,
};
use crate::model::{Probe, Slot};

/// An attachment. Dropping it detaches.
#[derive(Debug)]
pub enum Link {
    /// uprobe_multi.
    Multi(OwnedFd),
    /// One perf link for each probe.
    Perf(Vec<UProbeLink>),
}

/// Makes links.
pub struct Switch {
    /// Owns the programs: one for each kind, and those that see processes start and end.
    ebpf: Ebpf,
    multi: Option<multi::Program>,
}

impl Switch {
    /// Without `multi`, loads one program for each kind.
    pub(super) fn new(mut ebpf: Ebpf, multi: Option<multi::Program>) -> Result<Self, LoadError> {
        if multi.is_none() {
            for kind in Kind::ALL {
                program(&mut ebpf, kind).ok_or(LoadError::Object("uprobe"))?.load().map_err(LoadError::from)?;
            }
        }
        Ok(Self { ebpf, multi })
    }

    /// Whether links carry cookies and switch quickly.
    #[must_use]
    pub const fn is_multi(&self) -> bool {
        self.multi.is_some()
    }

    /// Attaches `probes` to the inode of `file`, in every process that maps it now or later. All or nothing.
    ///
    /// # Errors
    /// A missing capability, or the kernel's word on the place.
    pub fn attach(&mut self, file: &File, slot: Slot, probes: &[Probe]) -> Result<Link, AttachError> {
        // Through the open descriptor, so that it is the very inode that was analysed, deleted or not.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        if let Some(multi) = &self.multi {
            let path = CString::new(path).map_err(AttachError::from)?;
            return multi::attach(multi, &path, slot, probes).map(Link::Multi);
        }
        let mut links = Vec::with_capacity(probes.len());
        for probe in probes {
            let program = program(&mut self.ebpf, probe.kind).ok_or_else(|| AttachError::Kernel("no such program".to_owned()))?;
            let id = program.attach(probe.offset.0, &path, UProbeScope::AllProcesses).map_err(AttachError::from)?;
            links.push(program.take_link(id).map_err(AttachError::from)?);
        }
        Ok(Link::Perf(links))
    }
}

/// The program of a kind.
fn program(ebpf: &mut Ebpf, kind: Kind) -> Option<&mut UProbe> {
    let name = match kind {
        Kind::GoroutineStart => "goroutine_start",
        Kind::GoroutineExit => "goroutine_exit",
        Kind::MapAssignFast32 => "map_assign_fast32",
        Kind::MapAssignFast64 => "map_assign_fast64",
        Kind::MapAssignFaststr => "map_assign_faststr",
        Kind::MapAssignGeneric => "map_assign_generic",
        Kind::MapDelete => "map_delete",
        Kind::MapClear => "map_clear",
        Kind::TimerStart => "timer_start",
        Kind::TimerStop => "timer_stop",
        Kind::TimerReset => "timer_reset",
        Kind::Sleep => "sleep",
        Kind::TimerFire => "timer_fire",
    };
    ebpf.program_mut(name)?.try_into().ok()
}
