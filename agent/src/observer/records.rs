//! The thread that takes what the kernel side tells of processes, and hands it on.
//!
//! In: [`Records`]. Out: [`Event`]s, of a process that begins with its [`Birth`]. Must not know what follows from them.

use std::{sync::mpsc::Sender, time::Duration};

use super::{births::Birth, event::Event};
use crate::{
    discovery::ProcRoot,
    tracer::{Record, Records},
};

/// How much sooner than others the threads come to a processor that take what the kernel side has: where it is busy, its maps would be
/// full before. As auditd does.
const BOOST: i32 = -4;

/// Boosts the calling thread, where the host lets it.
pub(super) fn boost() {
    let own = rustix::process::getpriority_process(None);
    let _ = own.and_then(|own| rustix::process::setpriority_process(None, own + BOOST));
}

/// Hands records on until nobody listens; of a process that begins, with whose it is: when the finder gets to it, it may have ended.
pub(super) fn pump(mut records: Records, events: &Sender<Event>) {
    boost();
    let root = ProcRoot::default();
    let mut open = true;
    while open {
        records.wait(Duration::from_secs(1), |record| {
            let event = match record {
                Record::Exec(key) => Event::Exec(key, Birth::read(&root, key.tgid)),
                Record::Exit { process, ended_ns } => Event::Exit(process, ended_ns),
                Record::Hits { process, family } => Event::Hits(process, family),
            };
            open &= events.send(event).is_ok();
        });
    }
}
