//! Leaks as alerts of Alertmanager's API v2, with the labels that the rules on `goroscope_findings` give them: an alert that Prometheus
//! sends too is the same one.
//!
//! In: the leaks that are known. Out: posts. An alert that is not repeated is resolved by itself a few minutes after the agent's end.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{debug, info, warn};

use super::{Known, Leak, Tallies, client::Client};
use crate::{export::rfc3339, post::Backoff};

/// How often alerts that are active are repeated: as Prometheus does.
const REPEAT: Duration = Duration::from_secs(60);

/// How long an alert is active when nothing more is said of it.
const VALID: Duration = Duration::from_secs(240);

/// Alerts of one agent, the resolved ones included.
const ALERTS: usize = 1_000;

/// Tells one Alertmanager.
#[derive(Debug)]
pub(super) struct Courier {
    client: Client,
    known: watch::Receiver<Known>,
    tallies: Tallies,
    state: State,
    backoff: Backoff,
}

impl Courier {
    pub(super) fn new(client: Client, known: watch::Receiver<Known>, node: Option<String>, tallies: Tallies) -> Self {
        let state = State { node, alerts: BTreeMap::new() };
        Self { client, known, tallies, state, backoff: Backoff::default() }
    }

    /// Goes on until nobody finds leaks any more.
    pub(super) async fn run(mut self) {
        let mut due = Instant::now() + REPEAT;
        loop {
            // While there are failures, pauses are kept; else news are told at once.
            let changed = tokio::select! {
                changed = self.known.changed(), if !self.backoff.is_failing() => Some(changed.is_ok()),
                () = sleep_until(due) => None,
            };
            if changed == Some(false) {
                return;
            }
            let known = self.known.borrow_and_update().clone();
            let (is_news, left_out) = self.state.take(&known.leaks, known.at);
            (0..left_out).for_each(|_| self.tallies.failed.count("too_many"));
            if !is_news && changed.is_some() {
                continue;
            }
            due = Instant::now() + self.post(known.at).await;
        }
    }

    /// Posts what there is; how long until the next time.
    async fn post(&mut self, at: SystemTime) -> Duration {
        let alerts = self.state.json(at);
        if alerts.is_empty() {
            self.backoff = Backoff::default();
            return REPEAT;
        }
        match self.client.post(Value::from(alerts).to_string()).await {
            Ok(()) => {
                self.tallies.done.count("");
                self.state.posted();
                if std::mem::take(&mut self.backoff).is_failing() {
                    info!(url = %self.client.url(), "the Alertmanager takes alerts again");
                }
                REPEAT
            }
            Err(failure) => {
                self.tallies.failed.count(failure.reason);
                let (url, detail, reason) = (self.client.url(), &failure.detail, failure.reason);
                if !self.backoff.is_failing() {
                    warn!(%url, reason, detail, "the Alertmanager takes no alerts; said once, counted in goroscope_agent_alertmanager_failures_total");
                } else {
                    debug!(%url, reason, detail, "the Alertmanager takes no alerts");
                }
                self.backoff.after_failure(None)
            }
        }
    }
}

/// What an Alertmanager knows, or should. Pure.
#[derive(Debug)]
struct State {
    node: Option<String>,
    /// By fingerprint.
    alerts: BTreeMap<u64, Alert>,
}

#[derive(Debug)]
struct Alert {
    leak: Leak,
    /// When it was over.
    ended: Option<SystemTime>,
}

impl State {
    /// Whether an alert came, changed or went, and how many did not fit.
    fn take(&mut self, leaks: &[Leak], at: SystemTime) -> (bool, usize) {
        let mut is_news = false;
        for (key, alert) in &mut self.alerts {
            if alert.ended.is_none() && !leaks.iter().any(|leak| leak.fingerprint() == *key) {
                alert.ended = Some(at);
                is_news = true;
            }
        }
        let mut left_out = 0;
        let mut room = ALERTS.saturating_sub(self.alerts.len());
        for leak in leaks {
            let key = leak.fingerprint();
            match self.alerts.get_mut(&key) {
                Some(alert) => {
                    is_news |= alert.ended.is_some();
                    *alert = Alert { leak: leak.clone(), ended: None };
                }
                None if room > 0 => {
                    room -= 1;
                    self.alerts.insert(key, Alert { leak: leak.clone(), ended: None });
                    is_news = true;
                }
                None => left_out += 1,
            }
        }
        (is_news, left_out)
    }

    /// All was taken: those that are over need not be told again.
    fn posted(&mut self) {
        self.alerts.retain(|_, alert| alert.ended.is_none());
    }

    fn json(&self, at: SystemTime) -> Vec<Value> {
        let of = |alert: &Alert| {
            let leak = &alert.leak;
            let ends = alert.ended.unwrap_or_else(|| at.checked_add(VALID).unwrap_or(at));
            json!({
                "labels": self.labels(leak),
                "annotations": {
                    "summary": leak.summary(),
                    "description": leak.description(),
                    "runbook_url": format!(
                        "https://github.com/goroscope/goroscope/blob/main/deploy/runbooks/alerts.md#{}",
                        leak.alert_name().to_lowercase()
                    ),
                },
                "startsAt": rfc3339(leak.began(at)),
                "endsAt": rfc3339(ends),
            })
        };
        self.alerts.values().map(of).collect()
    }

    fn labels(&self, leak: &Leak) -> BTreeMap<&'static str, String> {
        let identity = &leak.identity;
        let known = [
            ("alertname", Some(leak.alert_name().to_owned())),
            ("severity", Some("warning".to_owned())),
            ("node", self.node.clone()),
            ("namespace", identity.namespace.clone()),
            ("pod", identity.pod.clone()),
            ("container", identity.container.clone()),
            ("unit", identity.unit.clone()),
            ("process", Some(identity.process.clone())),
            ("created_by", Some(leak.function.clone())),
            ("site", Some(leak.site.clone())),
            ("evidence", Some(leak.evidence.as_str().to_owned())),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            leak::leaks,
            testing::{NOW, finding, report},
        },
        *,
    };

    fn state() -> State {
        State { node: Some("node-1".to_owned()), alerts: BTreeMap::new() }
    }

    fn leak(process: &str, count: u64) -> Leak {
        leaks(&report(&[(process, vec![finding("main.wait", "main.leak", count)])])).remove(0)
    }

    #[test]
    fn an_alert_is_news_once_and_resolved_once() {
        let (mut state, later) = (state(), NOW + Duration::from_secs(2_000_000_000));
        assert_eq!(state.take(&[leak("web", 3)], NOW), (true, 0));
        assert_eq!(state.take(&[leak("web", 4)], later), (false, 0), "more of the same");
        let alert = &state.json(later)[0];
        let labels = json!({
            "alertname": "GoroscopeGoroutineLeak", "severity": "warning", "node": "node-1", "namespace": "shop", "pod": "web-0",
            "container": "app", "process": "web", "created_by": "main.leak", "site": "leak/main.go:13", "evidence": "stuck",
        });
        assert_eq!(alert["labels"], labels);
        assert_eq!(
            (alert["startsAt"].as_str(), alert["endsAt"].as_str()),
            (Some("2001-09-09T01:46:40.000Z"), Some("2033-05-18T03:37:20.000Z"))
        );
        assert!(alert["annotations"]["description"].as_str().unwrap().contains(" 4 goroutines"));
        assert!(alert["annotations"]["runbook_url"].as_str().unwrap().ends_with("#goroscopegoroutineleak"));
        assert_eq!(state.take(&[], later), (true, 0));
        assert_eq!(state.json(later + REPEAT)[0]["endsAt"], "2033-05-18T03:33:20.000Z", "when it was over, however late it is told");
        assert_eq!(state.take(&[], later + REPEAT), (false, 0));
        state.posted();
        assert!(state.json(later).is_empty());
    }

    #[test]
    fn one_that_is_back_before_it_was_told_is_active() {
        let mut state = state();
        state.take(&[leak("web", 3)], NOW);
        state.take(&[], NOW);
        assert_eq!(state.take(&[leak("web", 3)], NOW), (true, 0));
        assert_eq!(state.json(NOW)[0]["endsAt"], "1970-01-01T00:04:00.000Z");
    }

    #[test]
    fn there_is_room_for_so_many() {
        let many: Vec<Leak> = (0..ALERTS + 3).map(|i| leak(&format!("p{i}"), 1)).collect();
        let mut state = state();
        assert_eq!(state.take(&many, NOW), (true, 3));
        assert_eq!(state.json(NOW).len(), ALERTS);
    }
}
