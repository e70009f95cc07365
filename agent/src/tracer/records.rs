//! The ring buffer's reader, and the pump of the kernel side's own diagnostics.

use std::{os::fd::AsFd as _, time::Duration};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use goroscope_abi::{Family, ProcessKey, RecordKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::warn;
use zerocopy::FromBytes as _;

use super::error::LoadError;

/// What the kernel side tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A process has a new image.
    Exec(ProcessKey),
    /// The leader of a process that was hit or attached has ended.
    Exit {
        /// Who.
        process: ProcessKey,
        /// When: CLOCK_MONOTONIC, ns.
        ended_ns: u64,
    },
    /// A process took [`goroscope_abi::record::HITS_PER_RECORD`] more hits of a family's kind on one CPU.
    Hits {
        /// Who.
        process: ProcessKey,
        /// Of which family.
        family: Family,
    },
}

/// The reading end of the ring buffer.
pub struct Records(RingBuf<MapData>);

impl Records {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let map = ebpf.take_map("RECORDS").ok_or(LoadError::Object("RECORDS"))?;
        Ok(Self(RingBuf::try_from(map).map_err(LoadError::from)?))
    }

    /// Waits for records, at most `timeout`, and hands each to `take`. Entries that make no sense are skipped.
    pub fn wait(&mut self, timeout: Duration, mut take: impl FnMut(Record)) {
        let deadline = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        if let Err(error) = poll(&mut fds, Some(&deadline)) {
            if error != rustix::io::Errno::INTR {
                warn!(%error, "cannot wait for the ring buffer");
            }
            return;
        }
        while let Some(item) = self.0.next() {
            if let Some(record) = decode(&item) {
                take(record);
            }
        }
    }
}

/// How large the ring buffer is that has room for so many: a power of two, in whole pages.
pub(super) fn bytes(records: u32) -> u32 {
    let record = u32::try_from(size_of::<goroscope_abi::Record>() + HEADER_BYTES).unwrap_or(u32::MAX);
    records.saturating_mul(record).clamp(4096, 1 << 30).next_power_of_two()
}

/// What the kernel puts before each record.
const HEADER_BYTES: usize = 8;

fn decode(bytes: &[u8]) -> Option<Record> {
    let record = goroscope_abi::Record::read_from_bytes(bytes).ok()?;
    let process = ProcessKey { exec_ns: record.exec_ns, tgid: record.tgid, pad: 0 };
    Some(match record.kind {
        kind if kind == RecordKind::Exec as u32 => Record::Exec(process),
        kind if kind == RecordKind::Exit as u32 => Record::Exit { process, ended_ns: record.time_ns },
        kind if kind == RecordKind::Hits as u32 => {
            let family = Family::ALL.into_iter().find(|family| *family as u32 == record.family)?;
            Record::Hits { process, family }
        }
        _ => return None,
    })
}

/// Reads the kernel side's own log lines on a thread, into tracing. Off unless debug logging is on.
pub(super) fn pump_diagnostics(ebpf: &mut Ebpf) {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(mut logger) => {
            std::thread::spawn(move || {
                loop {
                    logger.flush();
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
        Err(error) => warn!(%error, "the kernel side's diagnostics cannot be read"),
    }
}
