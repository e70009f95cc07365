//! What Prometheus reads: the families of one [`Report`], in OpenMetrics 1.0 and in text 0.0.4.
//!
//! In: a [`Report`]. Out: a [`Page`] of families, built anew at each scrape and rendered in the format that was asked for.
//! Nothing is kept between two scrapes but what was left out of them, so what is gone from the Report is gone from the page.
//! Must not know: HTTP connections, BPF, how anything was counted.
//!
//! The Report becomes [`family::Family`]s once; `prometheus-client` renders them as OpenMetrics ([`openmetrics`]) and
//! [`text`] as the older format, which that crate does not have. A test compares both sample by sample.

mod agent;
mod family;
mod findings;
mod label;
mod limit;
mod negotiate;
mod openmetrics;
mod own;
mod runtime;
#[cfg(test)]
mod tests;
mod text;
mod workload;

use std::fmt;

use self::{family::Families, limit::Limiter};
pub use self::{
    negotiate::{Format, negotiate},
    own::OwnUsage,
};
use crate::model::Report;

/// How many series of observed processes a page may have, unless told otherwise.
pub const SERIES_LIMIT: usize = 20_000;

/// Renders pages. One for the life of the agent: it counts what the series limit left out.
#[derive(Debug)]
pub struct Metrics {
    version: &'static str,
    commit: &'static str,
    limiter: Limiter,
}

impl Metrics {
    /// Pages of at most `series_limit` series of observed processes (the agent's own few come on top), that call the agent
    /// by this version and commit.
    #[must_use]
    pub const fn new(series_limit: usize, version: &'static str, commit: &'static str) -> Self {
        Self { version, commit, limiter: Limiter::new(series_limit) }
    }

    /// The page of one scrape. `own` is what the agent itself uses, see [`OwnUsage::read`]; none where /proc does not tell.
    #[must_use]
    pub fn page(&self, report: &Report, own: Option<&OwnUsage>) -> Page {
        let mut families = Families::default();
        agent::add(&mut families, &report.agent, report.taken_at);
        agent::add_build(&mut families, self.version, self.commit);
        if let Some(own) = own {
            own.add(&mut families);
        }
        self.limiter.admit(&mut families, workload::chunks(report));
        Page { families: families.finish() }
    }
}

/// All families of one instant.
#[derive(Clone, Debug)]
pub struct Page {
    families: Vec<family::Family>,
}

impl Page {
    /// The page as text.
    ///
    /// # Errors
    /// Only what writing into a `String` returns, which is nothing today.
    pub fn render(self, format: Format) -> Result<String, fmt::Error> {
        match format {
            Format::OpenMetrics100 | Format::OpenMetrics001 => openmetrics::render(self.families),
            Format::Text004 => text::render(&self.families),
        }
    }
}
