//! Tickers: timers that are due again and again, until somebody stops them.
//!
//! Input: the pending timers. Output: [`Ticking`]. Must not know goroutines.
//!
//! Before Go 1.23 the runtime's list of timers keeps a ticker for ever, stopped by nobody. It leads to the ticker's channel, and to
//! nothing else: so the list is no reason to believe that somebody uses it. From Go 1.23 on the list holds those only on whose channel
//! somebody waits, which the runtime knows (`timer.isChan`); but up to 1.26 a program whose go.mod says an older version has the old
//! ones (`asynctimerchan=1`).

use goroscope_gobin::layout::Timer;

use super::NoProof;
use super::mark::Mark;
use super::source::{Batch, Source, word_at};
use super::timers::{TOGETHER, is_stopped};

/// Tickers that are told of one process.
const TICKERS: usize = 1 << 18;
/// `time.Ticker` begins with its channel; the timer is behind, from Go 1.23 on after a word that says whether it is initialised.
const TIMER: u32 = 8;
const TIMER_SINCE_23: u32 = 16;

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
    let behind = if layout.status.is_some() { TIMER } else { TIMER_SINCE_23 };
    let mut batch = Batch::default();
    for timers in timers.chunks(TOGETHER) {
        batch.clear();
        let mut pushed = Vec::with_capacity(timers.len());
        for timer in timers {
            // The object begins with the channel, or it is somebody else's timer.
            if mark.object(*timer).is_some_and(|object| timer.checked_sub(u64::from(behind)) == Some(object.from))
                && batch.push_whole(source, timer - u64::from(behind), layout.size.saturating_add(behind))?
            {
                pushed.push(*timer);
            }
        }
        batch.fill(source)?;
        let read = pushed.into_iter().zip(batch.iter()).filter(|(_, (.., whole))| *whole);
        let place = usize::try_from(behind).unwrap_or(usize::MAX);
        tickers.extend(read.filter_map(|(timer, (_, bytes, _))| parse(mark, timer, bytes.split_at_checked(place)?, layout)));
        tickers.truncate(TICKERS);
    }
    tickers.sort_unstable_by_key(|ticker| ticker.timer);
    tickers.dedup_by_key(|ticker| ticker.timer);
    Ok(tickers)
}

/// `ticker` is what comes before the timer, and that.
fn parse(mark: &Mark, timer: u64, ticker: (&[u8], &[u8]), layout: &Timer) -> Option<Ticking> {
    let (channel, field) = (word_at(ticker.0, 0)?, |at: u32| word_at(ticker.1, at));
    // One that the runtime knows as a ticker is forgotten by itself.
    let is_kept = layout.status.is_some() || *ticker.1.get(usize::try_from(layout.is_chan?).ok()?)? == 0;
    let period = field(layout.period)?;
    let own = field(layout.arg + 8)? == channel && mark.object(channel).is_some_and(|object| object.from == channel);
    // A function that is a closure could lead elsewhere.
    let plain = mark.object(field(layout.f)?).is_none();
    let ticks = i64::try_from(period).is_ok_and(|period| period > 0) && is_kept && !is_stopped(ticker.1, layout)?;
    (ticks && own && plain).then_some(Ticking { timer, channel, period })
}
