//! What the agent's own services (OTLP export, TLS, auth) say: families of [`Tally`]s.
//!
//! In: tallies. Out: samples. Must not know: what the services do. A service that is off has no series.

use std::sync::Arc;

use super::family::{Descriptor, Families, Labels, Value};
use crate::model::Tally;

static OTLP_EXPORTS: Descriptor =
    Descriptor::counter("goroscope_agent_otlp_exports_total", "Exports that the OTLP receiver has taken. Absent where export is off.");
static OTLP_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_otlp_export_failures_total",
    "Attempts to export that failed, by reason: unreachable, timeout, throttled (429) and unavailable (502, 503, 504) are tried again; \
     rejected, partial (some points refused) and queue_full (the oldest export gave way to a newer one) are lost.",
);
static TLS_RELOAD_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_tls_reload_failures_total",
    "Changed certificate, key, CA or token files that could not be used; what was there before stays in use. Absent where there are none.",
);
static REQUESTS_REFUSED: Descriptor = Descriptor::counter(
    "goroscope_agent_requests_refused_total",
    "Requests that were not answered, by reason: unauthenticated (401), forbidden (403), unreviewed (503: who asks could not be \
     reviewed) or handshake (no TLS connection, as without a client certificate that is needed). Absent without TLS where auth is none.",
);

static ALERTMANAGER_POSTS: Descriptor = Descriptor::counter(
    "goroscope_agent_alertmanager_posts_total",
    "Posts that Alertmanagers have taken: leaks when they come and go, and every minute while there are some. Absent where there is no \
     Alertmanager.",
);
static ALERTMANAGER_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_alertmanager_failures_total",
    "What was not told to Alertmanagers, by reason: unreachable, timeout, unavailable (429 and 5xx) and rejected posts, which are tried \
     again; too_many: alerts beyond 1,000, which are left out.",
);
static EVENTS: Descriptor =
    Descriptor::counter("goroscope_agent_k8s_events_total", "Kubernetes Events that were made of leaks. Absent where none are to be.");
static EVENT_FAILURES: Descriptor = Descriptor::counter(
    "goroscope_agent_k8s_event_failures_total",
    "Kubernetes Events of leaks that could not be made, by reason: unreachable and timeout are tried again; unauthorized, forbidden, \
     rejected and too_many (more than 20 in 200 s) not before the next hour.",
);

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 8] = [
    &OTLP_EXPORTS,
    &OTLP_FAILURES,
    &TLS_RELOAD_FAILURES,
    &REQUESTS_REFUSED,
    &ALERTMANAGER_POSTS,
    &ALERTMANAGER_FAILURES,
    &EVENTS,
    &EVENT_FAILURES,
];

/// Tallies of the services that are on.
#[derive(Clone, Debug, Default)]
pub struct Services {
    /// Exports that were taken.
    pub otlp_exports: Option<Arc<Tally>>,
    /// Exports that failed, by reason.
    pub otlp_failures: Option<Arc<Tally>>,
    /// Files that changed and could not be used.
    pub reload_failures: Option<Arc<Tally>>,
    /// Requests that were refused, by reason.
    pub refused: Option<Arc<Tally>>,
    /// Posts that Alertmanagers have taken.
    pub alertmanager_posts: Option<Arc<Tally>>,
    /// Posts and alerts that they have not, by reason.
    pub alertmanager_failures: Option<Arc<Tally>>,
    /// Events that were made.
    pub events: Option<Arc<Tally>>,
    /// Events that could not be, by reason.
    pub event_failures: Option<Arc<Tally>>,
}

impl Services {
    pub(super) fn add(&self, families: &mut Families) {
        let Self {
            otlp_exports,
            otlp_failures,
            reload_failures,
            refused,
            alertmanager_posts,
            alertmanager_failures,
            events,
            event_failures,
        } = self;
        let tallies = [
            (&OTLP_EXPORTS, otlp_exports),
            (&OTLP_FAILURES, otlp_failures),
            (&TLS_RELOAD_FAILURES, reload_failures),
            (&REQUESTS_REFUSED, refused),
            (&ALERTMANAGER_POSTS, alertmanager_posts),
            (&ALERTMANAGER_FAILURES, alertmanager_failures),
            (&EVENTS, events),
            (&EVENT_FAILURES, event_failures),
        ];
        for (descriptor, tally) in tallies {
            for (reason, count) in tally.iter().flat_map(|tally| tally.counts()) {
                families.push(descriptor, Labels::default().with("reason", reason), Value::Count(count));
            }
        }
    }
}
