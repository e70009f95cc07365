//! Folds what processes did into what their label sets show: sums that never fall, sites that keep their names.
//!
//! In: [`Totals`] of live and ended processes. Out: [`crate::model::GroupReport`]s. Pure: the clock is passed in.
//! Knows no kernel map, no /proc, no sink.

mod ledger;
mod lives;
mod runtime;
mod sites;

pub use self::{
    ledger::{Final, Ledger, Live, Names, Renamed, Totals},
    lives::Lives,
    runtime::counters,
};
