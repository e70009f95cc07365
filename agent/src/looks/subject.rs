//! The process that is looked at. Input nouns: an [`Executable`], what names the process. Output: what its addresses mean for a look. Must
//! not know what is looked for.

use std::sync::{Arc, OnceLock};

use goroscope_gobin::{CLOSE_IDLE, NEW_TICKER, Pc, RuntimeFacts};

use crate::{
    discovery::Listed,
    model::{Executable, RuntimeAddress, Site},
    symbolize::Symbolizer,
};

/// Start functions of the collector's own goroutines, whose stacks hold rests of others: their first words.
const COLLECTOR: [&str; 5] = ["runtime.gcBgMark", "runtime.bgsweep", "runtime.bgscavenge", "runtime.forcegchelper", "runtime.gcenable."];

/// Calls of `time.NewTicker` that are told apart: who has more cannot be told one from the other.
const NEW_TICKERS: usize = 1024;

/// From this minor version of Go 1 on the runtime forgets tickers that nobody uses, up to the second unless this setting is built in.
const TICKERS_ARE_COLLECTED: std::ops::Range<u16> = 23..27;
const TICKERS_AS_BEFORE: &str = "asynctimerchan=1";

/// A statement that makes a ticker; none where it cannot be named. And its period, ns, where that is a constant.
type TickerSite = (Option<Arc<Site>>, Option<u64>);

/// A Go process whose memory can be read.
#[derive(Debug)]
pub struct Subject {
    /// What names it for good.
    pub listed: Listed,
    /// What it runs.
    pub executable: Arc<Executable>,
    /// What is known of its runtime.
    pub facts: RuntimeFacts,
    /// Runtime address minus ELF virtual address.
    pub load_bias: u64,
    /// Names of its addresses.
    pub symbolizer: Symbolizer,
    /// Filled when it is first asked for: all code is read for it.
    ticker_sites: OnceLock<Vec<TickerSite>>,
}

impl Subject {
    /// A process, of whose executable nothing has been named yet.
    #[must_use]
    pub fn new(listed: Listed, executable: Arc<Executable>, facts: RuntimeFacts, load_bias: u64) -> Self {
        Self { listed, facts, load_bias, symbolizer: Symbolizer::new(Arc::clone(&executable)), executable, ticker_sites: OnceLock::new() }
    }

    /// Whether the goroutine that starts there is the collector's own.
    pub(super) fn is_collector(&self, start: RuntimeAddress) -> bool {
        let frames = self.executable.binary.frames(&*self.executable, Pc::Exact(start.to_virtual(self.load_bias)));
        let outermost = frames.ok().and_then(|frames| frames.into_iter().next_back());
        outermost.is_some_and(|frame| COLLECTOR.iter().any(|name| frame.function.starts_with(name)))
    }

    /// Whether the runtime keeps tickers that nobody uses: an old one, or one of a program whose go.mod says an old version.
    pub(super) fn keeps_tickers(&self) -> bool {
        let binary = &self.executable.binary;
        let settings = || binary.build.as_ref()?.setting("DefaultGODEBUG");
        let is_as_before = || settings().is_some_and(|all| all.split(',').any(|one| one == TICKERS_AS_BEFORE));
        let minor = binary.version.minor;
        minor < TICKERS_ARE_COLLECTED.start || (TICKERS_ARE_COLLECTED.contains(&minor) && is_as_before())
    }

    /// The function by which a timer closes a connection that nobody uses.
    pub(super) fn closes_idle(&self) -> Option<RuntimeAddress> {
        self.executable.binary.find(CLOSE_IDLE).map(|function| RuntimeAddress(function.entry.0.wrapping_add(self.load_bias)))
    }

    /// Of a stack, innermost first, the first return address that is not in a package that only passes waits on; if there is none, as of
    /// what a library does by itself, the first that is not what waits are made of, or the innermost.
    pub(super) fn waiting(&self, calls: &[RuntimeAddress]) -> Option<RuntimeAddress> {
        let is_found = |site: Result<Option<_>, _>| site.is_ok_and(|site: Option<Arc<Site>>| site.is_some());
        let waits = |call: &&RuntimeAddress| is_found(self.symbolizer.waiting(call.to_virtual(self.load_bias)));
        let passes = |call: &&RuntimeAddress| is_found(self.symbolizer.passing(call.to_virtual(self.load_bias)));
        calls.iter().find(waits).or_else(|| calls.iter().find(passes)).or(calls.first()).copied()
    }

    /// The statement that makes tickers of this period, if there is one only that can be it; else the function that makes all tickers. A
    /// ticker does not know who made it.
    pub(super) fn ticker_site(&self, period_ns: u64) -> Site {
        let sites = self.ticker_sites.get_or_init(|| self.ticker_sites());
        let mut candidates = sites.iter().filter(|(_, period)| period.is_none_or(|period| period == period_ns)).map(|(site, _)| site);
        match (candidates.next(), candidates.next()) {
            (Some(Some(site)), None) => (**site).clone(),
            _ => self.new_ticker(),
        }
    }

    fn ticker_sites(&self) -> Vec<TickerSite> {
        let binary = &self.executable.binary;
        let Some(calls) = binary.find(NEW_TICKER).and_then(|function| binary.calls(&*self.executable, function, NEW_TICKERS).ok()) else {
            return Vec::new();
        };
        calls.iter().map(|call| (self.symbolizer.waiting(call.returns_to).ok().flatten(), call.constant)).collect()
    }

    fn new_ticker(&self) -> Site {
        let binary = &self.executable.binary;
        let entry = binary.find(NEW_TICKER).and_then(|function| binary.frames(&*self.executable, Pc::Exact(function.entry)).ok());
        let frame = entry.and_then(|frames| frames.into_iter().next_back());
        let (file, line) = frame.map_or_else(|| ("?".to_owned(), 0), |frame| (frame.file, frame.line));
        Site { function: NEW_TICKER.to_owned(), file, line }
    }
}
