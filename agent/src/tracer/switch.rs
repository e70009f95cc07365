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
#[expect(dead_code, reason = "held to be dropped")]
pub enum Link {
    /// uprobe_multi.
    Multi(OwnedFd),
    /// One perf link for each probe.
    Perf(Vec<UProbeLink>),
}

/// Makes links.
pub struct Switch(How);

enum How {
    Multi(multi::Program),
    /// Ebpf owns the programs; each kind has one.
    Perf(Ebpf),
}

impl Switch {
    pub(super) const fn multi(program: multi::Program) -> Self {
        Self(How::Multi(program))
    }

    /// Loads one program for each kind, for kernels without multi links.
    pub(super) fn perf(mut ebpf: Ebpf) -> Result<Self, LoadError> {
        for kind in Kind::ALL {
            program(&mut ebpf, kind).ok_or(LoadError::Object("uprobe"))?.load().map_err(LoadError::from)?;
        }
        Ok(Self(How::Perf(ebpf)))
    }

    /// Whether links carry cookies and switch quickly.
    #[must_use]
    pub const fn is_multi(&self) -> bool {
        matches!(self.0, How::Multi(_))
    }

    /// Attaches `probes` to the inode of `file`, in every process that maps it now or later. All or nothing.
    ///
    /// # Errors
    /// A missing capability, or the kernel's word on the place.
    pub fn attach(&mut self, file: &File, slot: Slot, probes: &[Probe]) -> Result<Link, AttachError> {
        // Through the open descriptor, so that it is the very inode that was analysed, deleted or not.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match &mut self.0 {
            How::Multi(program) => {
                let path = CString::new(path).map_err(AttachError::from)?;
                multi::attach(program, &path, slot, probes).map(Link::Multi)
            }
            How::Perf(ebpf) => {
                let mut links = Vec::with_capacity(probes.len());
                for probe in probes {
                    let program = program(ebpf, probe.kind).ok_or_else(|| AttachError::Kernel("no such program".to_owned()))?;
                    let id = program.attach(probe.offset.0, &path, UProbeScope::AllProcesses).map_err(AttachError::from)?;
                    links.push(program.take_link(id).map_err(AttachError::from)?);
                }
                Ok(Link::Perf(links))
            }
        }
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
