//! Reports with leaks.

use std::time::{Duration, SystemTime};

use crate::model::{AgentReport, Evidence, Finding, FindingKind, GroupReport, Identity, Info, Report, Site};

/// When everything happens.
pub(super) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// Goroutines that wait in `blocked_in`, made by `created_by`.
pub(super) fn finding(blocked_in: &str, created_by: &str, count: u64) -> Finding {
    let site = |function: &str, line| Site { function: function.into(), file: "/src/leak/main.go".into(), line };
    Finding {
        kind: FindingKind::GoroutineLeak,
        created_by: site(created_by, 13),
        blocked_in: Some(site(blocked_in, 20)),
        wait_reason: "chan receive",
        period: None,
        evidence: Evidence::Stuck,
        count,
        slope: 0.5,
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        watched: Duration::from_secs(60),
        one_in: 1,
        projection: None,
        restarts: 0,
    }
}

/// Processes by name in pods of their own, with their leaks.
pub(super) fn report(groups: &[(&str, Vec<Finding>)]) -> Report {
    let group = |(process, findings): &(&str, Vec<Finding>)| GroupReport {
        identity: Identity {
            process: (*process).into(),
            namespace: Some("shop".into()),
            pod: Some(format!("{process}-0")),
            container: Some("app".into()),
            ..Identity::default()
        },
        findings: findings.clone(),
        info: vec![Info { pod_uid: format!("uid-{process}"), ..Info::default() }],
        ..GroupReport::default()
    };
    Report { taken_at: NOW, processes: Vec::new(), groups: groups.iter().map(group).collect(), agent: AgentReport::default() }
}
