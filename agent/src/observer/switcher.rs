//! The thread that attaches and detaches, which both block: commands in, replies out.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Duration,
};

use goroscope_abi::Family;
use tracing::{debug, warn};

use super::{Event, clock};
use crate::{
    analysis,
    model::{Executable, Probe, Refusal, Slot, Subject},
    tracer::{Link, Maps, Switch},
};

/// What to do to one family of one executable.
#[derive(Debug)]
pub(super) enum Command {
    /// Attach, for good.
    Attach(Site),
    /// Detach.
    Detach(Slot, Family),
    /// Attach, count for a moment, detach.
    Window(Site, Duration),
}

/// Where to attach.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) slot: Slot,
    pub(super) family: Family,
    pub(super) executable: Arc<Executable>,
    pub(super) probes: Vec<Probe>,
}

/// What became of a command.
#[derive(Debug)]
pub(super) enum Reply {
    /// The probes are on and count.
    Attached(Slot, Family),
    /// They could not be attached.
    Failed(Slot, Refusal),
    /// They are off.
    Detached(Slot, Family),
    /// A window is over.
    Window(Slot, Family, Opened),
}

/// A window as it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// CLOCK_MONOTONIC, ns.
    pub(super) closed_ns: u64,
    /// How long hits were counted.
    pub(super) length: Duration,
    /// How long breakpoints were in place, at most.
    pub(super) exposure: Duration,
}

/// Works until nobody asks any more; then every link is dropped.
pub(super) fn run(mut switch: Switch, maps: &Maps, commands: &Receiver<Command>, events: &Sender<Event>) {
    let mut links: HashMap<(Slot, Family), Link> = HashMap::new();
    for command in commands {
        let reply = match command {
            Command::Attach(site) => match attach(&mut switch, maps, &site, true) {
                Ok(link) => {
                    links.extend(link.map(|link| ((site.slot, site.family), link)));
                    Reply::Attached(site.slot, site.family)
                }
                Err(refusal) => Reply::Failed(site.slot, refusal),
            },
            Command::Detach(slot, family) => {
                gate(maps, slot, family, false);
                drop(links.remove(&(slot, family)));
                Reply::Detached(slot, family)
            }
            Command::Window(site, length) => match window(&mut switch, maps, &site, length) {
                Ok(opened) => Reply::Window(site.slot, site.family, opened),
                Err(refusal) => Reply::Failed(site.slot, refusal),
            },
        };
        debug!(?reply);
        if events.send(Event::Switched(reply)).is_err() {
            break;
        }
    }
}

/// None when there is nothing to attach: an executable that contains none of the family's functions.
fn attach(switch: &mut Switch, maps: &Maps, site: &Site, open: bool) -> Result<Option<Link>, Refusal> {
    for probe in &site.probes {
        analysis::verify(&site.executable, probe)?;
    }
    // Before the first breakpoint is in place: what is on counts from its first hit.
    gate(maps, site.slot, site.family, open);
    if site.probes.is_empty() {
        return Ok(None);
    }
    let link = switch.attach(&site.executable.file, site.slot, &site.probes);
    link.map(Some).map_err(|error| Refusal { subject: Subject::Family(site.family), reason: error.reason(), detail: error.to_string() })
}

fn window(switch: &mut Switch, maps: &Maps, site: &Site, length: Duration) -> Result<Opened, Refusal> {
    let begin = clock();
    let link = attach(switch, maps, site, false)?;
    let opened_ns = clock();
    gate(maps, site.slot, site.family, true);
    thread::sleep(length);
    gate(maps, site.slot, site.family, false);
    let closed_ns = clock();
    drop(link);
    let exposure = Duration::from_nanos(clock().saturating_sub(begin));
    Ok(Opened { closed_ns, length: Duration::from_nanos(closed_ns.saturating_sub(opened_ns)), exposure })
}

fn gate(maps: &Maps, slot: Slot, family: Family, open: bool) {
    if let Err(error) = maps.gate(slot, family, open) {
        warn!(slot = slot.0, family = family.name(), %error, "cannot set a gate");
    }
}
