//! The nouns on the arrows: what rooms hand to each other. Knows no room, no kernel, no sink.

pub mod causes;
pub mod census;
pub mod executable;
pub mod features;
pub mod figures;
pub mod finding;
pub mod goroutine;
pub mod harmful;
pub mod histogram;
pub mod memory;
pub mod plan;
pub mod pod;
pub mod proof;
pub mod report;
pub mod review;
pub mod site;
pub mod tally;
pub mod target;
#[cfg(test)]
pub(crate) mod testing;
pub mod thread;

pub use causes::with_causes;
pub use census::{CensusReport, GoroutineGroup};
pub use executable::{Executable, ExecutableId, Inode};
pub use features::{Feature, Features};
pub use figures::RuntimeFigures;
pub use finding::{Evidence, Finding, FindingKind, LimitKind, MemoryLimit, Projection, Suspect, TickerSuspect};
pub use goroutine::{Blocked, Goroutine, GoroutineState, Stack};
pub use harmful::is_harmful;
pub use histogram::Histogram;
pub use memory::{Memory, MemoryError, Read};
pub use plan::{Probe, ProbePlan, Refusal, Subject};
pub use pod::{Container, Place, Pod, PodEvent, Workload};
pub use proof::{OwnEnd, OwnEnds, Proof, Ticker, Waiter};
pub use report::{
    AgentReport, Count, FamilyMode, FamilyReport, GroupReport, Info, KubernetesReport, ProcessReport, Report, RuntimeCounters,
    RuntimeGauges, RuntimeReading, Since, SiteReport, Sites, TargetState,
};
pub use review::{Review, ReviewError, Reviewer, Verdict};
pub use site::Site;
pub use tally::Tally;
pub use target::{Identity, RuntimeAddress, Slot, Target};
pub use thread::Asleep;
