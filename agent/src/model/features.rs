//! What the kernel and the agent's rights allow, each found out once by trying.

/// Whether one thing works; if not, what the kernel said.
pub type Feature = Result<(), String>;

/// What the kernel and the agent's rights allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// BPF ring buffers (Linux 5.8).
    pub ring_buffer: Feature,
    /// One link for all probes of an executable (Linux 6.6).
    pub uprobe_multi: Feature,
    /// Uprobes through perf events: what older kernels have, and what wants `CAP_SYS_ADMIN` on patched ones.
    pub perf_uprobe: Feature,
    /// Programs at raw tracepoints: how new and ended processes are seen at once.
    pub raw_tracepoint: Feature,
    /// A number given at attach and read in the program (Linux 5.15).
    pub attach_cookie: Feature,
    /// Whether pids are the same here as to the kernel's programs, which count by those of the first pid namespace. `None`: it cannot be told.
    pub pids_of_host: Option<bool>,
    /// Reading the memory of other processes.
    pub read_memory: Feature,
}
