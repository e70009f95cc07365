//! Tickers: timers that are due again and again, until somebody stops them.
//!
//! Input: the pending timers. Output: [`Ticking`]. Must not know goroutines.
//!
//! Before Go 1.23 the runtime's list of timers keeps a ticker for ever, stopped by nobody. It leads to the ticker's channel, and to
//! nothing else: so the list is no reason to believe that somebody uses it. From Go 1.23 on the list holds those only on whose channel
//! somebody waits.

use goroscope_gobin::layout::Timer;

use super::NoProof;
use super::mark::Mark;
use super::source::{Batch, Source, word_at};
use super::timers::{STOPPED, TOGETHER};

/// Tickers that are told of one process.
const TICKERS: usize = 1 << 18;
/// `time.Ticker` begins with its channel; the timer is behind.
const CHANNEL: u64 = 8;

/// A ticker in the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticking {
    /// `runtime.timer`.
    pub(super) timer: u64,
    /// `runtime.hchan`.
    pub(super) channel: u64,
    /// ns.
    pub(super) period: u64,
}

/// Those of `timers` that are a `time.Ticker` each and have not been stopped, sorted by timer.
pub(super) fn read(source: &mut Source<'_>, mark: &Mark, timers: &[u64], layout: &Timer) -> Result<Vec<Ticking>, NoProof> {
    let mut tickers = Vec::new();
    // From Go 1.23 on there is none.
    if layout.status.is_none() {
        return Ok(tickers);
    }
    let mut batch = Batch::default();
    for timers in timers.chunks(TOGETHER) {
        batch.clear();
        let mut pushed = Vec::with_capacity(timers.len());
        for timer in timers {
            // The object begins with the channel, or it is somebody else's timer.
            if mark.object(*timer).is_some_and(|object| timer.checked_sub(CHANNEL) == Some(object.from))
                && batch.push_whole(source, timer - CHANNEL, layout.size + 8)?
            {
                pushed.push(*timer);
            }
        }
        batch.fill(source)?;
        let read = pushed.into_iter().zip(batch.iter()).filter(|(_, (.., whole))| *whole);
        tickers.extend(read.filter_map(|(timer, (_, bytes, _))| parse(mark, timer, bytes, layout)));
        tickers.truncate(TICKERS);
    }
    tickers.sort_unstable_by_key(|ticker| ticker.timer);
    tickers.dedup_by_key(|ticker| ticker.timer);
    Ok(tickers)
}

fn parse(mark: &Mark, timer: u64, bytes: &[u8], layout: &Timer) -> Option<Ticking> {
    let (channel, field) = (word_at(bytes, 0)?, |at: u32| word_at(bytes, at + 8));
    let status = u32::try_from(field(layout.status?)? & 0xffff_ffff).ok()?;
    let period = field(layout.period)?;
    let own = field(layout.arg + 8)? == channel && mark.object(channel).is_some_and(|object| object.from == channel);
    // A function that is a closure could lead elsewhere.
    let plain = mark.object(field(layout.f)?).is_none();
    let ticks = i64::try_from(period).is_ok_and(|period| period > 0) && !STOPPED.contains(&status);
    (ticks && own && plain).then_some(Ticking { timer, channel, period })
}
