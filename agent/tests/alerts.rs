//! Leaks told of where people look: an Event on the pod, an alert in Alertmanager; by a real leak, and servers that are away at first.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::path::Path;

use common::{
    agent::Agent,
    alone,
    api_server::{ApiServer, Mood},
    build::{Form, NEWEST, build},
    cgroup::Container,
    target::Target,
    wait_for, wait_until,
};
use serde_json::{Value, json};

/// The alerts of the last post.
fn last_alerts(server: &ApiServer) -> Vec<Value> {
    server.posted("/api/v2/alerts").pop().and_then(|list| list.as_array().cloned()).unwrap_or_default()
}

fn pod(container: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "web-0", "uid": "0a1b"},
        "spec": {"containers": [], "nodeName": "node-1"},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "i", "ready": true, "restartCount": 0, "containerID": format!("cri-o://{container}"),
            "state": {"running": {}},
        }]},
    })
}

#[test]
fn a_leak_is_an_event_and_an_alert_until_it_is_over() {
    let _alone = alone();
    let (api, alertmanager) = (ApiServer::start(), ApiServer::start());
    let container = Container::new("0a1b");
    api.put(&pod(&container.id));
    // The one is away at first, the other one does not want Events yet.
    alertmanager.set_mood(Mood::Down);
    api.answer("/events", 503, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 503}));
    let executable = build("leak", NEWEST, Form::Stripped).unwrap_or_else(|error| panic!("{error}"));
    let arguments = container.arguments(executable.to_str().unwrap());
    let target = Target::spawn(Path::new("/bin/sh"), &arguments.each_ref().map(String::as_str));
    let pid = target.pid.to_string();
    let mut flags = api.flags();
    flags.extend(["--pid".to_owned(), pid, format!("--alertmanager=http://{}", alertmanager.address)]);
    let agent = Agent::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let count = |name: &str, labels: &[(&str, &str)]| agent.scrape().sum(name, labels).unwrap_or(0);
    wait_until("both have failed", || {
        count("goroscope_agent_alertmanager_failures_total", &[("reason", "unreachable")]) > 0
            && count("goroscope_agent_k8s_event_failures_total", &[("reason", "rejected")]) > 0
    });
    alertmanager.set_mood(Mood::Well);
    api.answer("/events", 201, json!({"kind": "Event", "apiVersion": "v1", "metadata": {}, "involvedObject": {}}));

    let is_proven = |event: &Value| event["message"].as_str().is_some_and(|message| message.contains("Evidence: proven"));
    let event = wait_for("the leak is proven to the API server", || {
        let made = count("goroscope_agent_k8s_events_total", &[]);
        (made > 0).then(|| api.posted("/api/v1/namespaces/shop/events").into_iter().rfind(is_proven)).flatten()
    });
    assert_eq!((event["reason"].as_str(), event["type"].as_str()), (Some("GoroutineLeak"), Some("Warning")));
    let object = &event["involvedObject"];
    assert_eq!((object["kind"].as_str(), object["name"].as_str(), object["uid"].as_str()), (Some("Pod"), Some("web-0"), Some("0a1b")));
    let message = event["message"].as_str().unwrap();
    assert!(message.contains("main.leak (leak/main.go:15)") && message.contains("main.leak.func1"), "{message}");

    let alert = wait_for("the leak is proven to the Alertmanager", || {
        last_alerts(&alertmanager).into_iter().find(|alert| alert["labels"]["evidence"] == "proven")
    });
    let labels = json!({
        "alertname": "GoroscopeGoroutineLeak", "severity": "warning", "node": "node-1", "namespace": "shop", "pod": "web-0",
        "container": "app", "process": "leak", "created_by": "main.leak", "site": "leak/main.go:15", "evidence": "proven",
    });
    assert_eq!(alert["labels"], labels);
    assert!(agent.log().matches("the Alertmanager takes no alerts").count() == 1 && agent.log().contains("takes alerts again"));

    let (before, posts) = (alert["endsAt"].as_str().unwrap().to_owned(), alertmanager.posted("/api/v2/alerts").len());
    target.finish();
    let over = wait_for("it is resolved", || {
        let posted = alertmanager.posted("/api/v2/alerts");
        let news = posted.get(posts..).unwrap_or_default().iter().flat_map(|list| list.as_array().unwrap());
        let mut ends = news.filter(|alert| alert["labels"] == labels).map(|alert| alert["endsAt"].as_str().unwrap().to_owned());
        ends.find(|ends| *ends < before)
    });
    assert!(over < before);
    let names: Vec<Value> = api.posted("/events").iter().map(|event| event["metadata"]["name"].clone()).collect();
    assert!(names.iter().all(|name| name.as_str().unwrap().starts_with("web-0.")), "{names:?}");
    agent.stop();
}
