//! One Go process under observation, and the names it goes by.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use goroscope_abi::ProcessKey;
use goroscope_gobin::VirtualAddress;

use super::Place;

/// Index of an attached executable in the kernel's `EXECUTABLES` map. Never 0: that means unknown there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// An address inside a running process: an ELF virtual address plus the load bias of that process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuntimeAddress(pub u64);

impl Identity {
    /// The container's id, where that is all that is known of the container.
    #[must_use]
    pub fn unnamed_container(&self) -> Option<&str> {
        self.container.as_deref().filter(|_| self.pod.is_none())
    }

    /// The same process by the names of its container.
    #[must_use]
    pub fn named(&self, place: &Place) -> Self {
        Self {
            process: self.process.clone(),
            namespace: Some(place.namespace.clone()),
            pod: Some(place.pod.clone()),
            container: Some(place.container.clone()),
            unit: None,
            pid: self.pid,
        }
    }
}

impl RuntimeAddress {
    /// How far the process' image lies above its ELF addresses, when this is where `address` is in the process. Wraps: an
    /// image may be linked above where it is loaded.
    #[must_use]
    pub const fn bias_from(self, address: VirtualAddress) -> u64 {
        self.0.wrapping_sub(address.0)
    }

    /// This address as the ELF file numbers it, in a process with this load bias.
    #[must_use]
    pub const fn to_virtual(self, load_bias: u64) -> VirtualAddress {
        VirtualAddress(self.0.wrapping_sub(load_bias))
    }
}

/// The labels that processes are summed by. Empty ones are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The executable's base name.
    pub process: String,
    /// Namespace of the pod, where the process is known to be in one.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: Option<String>,
    /// In a pod the container's name; else the full container id (64 hex digits), where the process is in a container.
    pub container: Option<String>,
    /// systemd unit, where there is one and no container.
    pub unit: Option<String>,
    /// Only with `--per-process`.
    pub pid: Option<u32>,
}

/// One Go process under observation.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which life of which pid.
    pub key: ProcessKey,
    /// The names it is summed and shown under.
    pub identity: Identity,
    /// Its container in its pod, once that is known.
    pub place: Option<Arc<Place>>,
    /// The executable as the process names it (`readlink /proc/PID/exe`, in its mount namespace).
    pub exe: PathBuf,
    /// When the process started, from /proc/PID/stat.
    pub started_at: SystemTime,
    /// Runtime address minus ELF virtual address, 0 when the executable is not position independent.
    pub load_bias: u64,
}

impl Target {
    /// From now on it goes by these names.
    pub fn take_place(&mut self, place: Arc<Place>) {
        self.identity = self.identity.named(&place);
        self.place = Some(place);
    }

    /// The pid in the agent's pid namespace.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.key.tgid
    }
}
