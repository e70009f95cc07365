//! Names from Kubernetes: real processes in cgroups as a container runtime makes them, and an API server that behaves, or does not.

#![cfg(test)]

#[expect(clippy::allow_attributes, reason = "no test uses all of the harness, so `expect` would not hold in all of them")]
#[allow(dead_code, unreachable_pub, reason = "each test is a crate of its own and uses its part")]
mod common;

use std::path::{Path, PathBuf};

use common::{
    agent::Agent,
    alone,
    api_server::{ApiServer, Mood},
    build::{Form, NEWEST, build},
    cgroup::Container,
    http::get_as,
    metrics::Scrape,
    target::Target,
    wait_equal, wait_for, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the program `eager` does before it says that it is ready.
const WRITES: u64 = 5000;

/// A program under a name of its own: these agents find processes by themselves.
fn named(directory: &TempDir, name: &str) -> PathBuf {
    let file = directory.path().join(name);
    let program = build("eager", NEWEST, Form::Plain).unwrap_or_else(|error| panic!("{error}"));
    std::fs::copy(program, &file).unwrap();
    file
}

fn spawn_in(container: &Container, file: &Path) -> Target {
    let arguments = container.arguments(file.to_str().unwrap());
    Target::spawn(Path::new("/bin/sh"), &arguments.each_ref().map(String::as_str))
}

fn agent(server: &ApiServer, more: &[&str]) -> Agent {
    let flags = server.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--exact"]).chain(more.iter().copied()).collect();
    Agent::start(&flags)
}

/// A pod of the Deployment `web` in the namespace `shop`. `states`: container id and its state.
fn pod(uid: &str, states: &[(&str, &str)]) -> Value {
    let statuses = states.iter().map(|(id, state)| {
        let id = format!("containerd://{id}");
        let state = if *state == "terminated" { json!({"terminated": {"exitCode": 0, "containerID": id}}) } else { json!({"running": {}}) };
        json!({"name": "app", "image": "i", "imageID": "i", "ready": true, "restartCount": 0, "containerID": id, "state": state})
    });
    json!({
        "metadata": {
            "namespace": "shop", "name": format!("web-6d4cf5-{uid}"), "uid": uid, "labels": {"pod-template-hash": "6d4cf5", "tier": "front"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf5", "uid": "2", "controller": true}],
        },
        "spec": {"containers": [], "nodeName": "node-1"},
        "status": {"phase": "Running", "containerStatuses": statuses.collect::<Vec<_>>()},
    })
}

/// Map writes of a process by name, in a pod.
fn writes(scrape: &Scrape, process: &str, pod: &str) -> Option<u64> {
    let pod = format!("web-6d4cf5-{pod}");
    let labels = [("process", process), ("namespace", "shop"), ("pod", &pod), ("container", "app")];
    scrape.sum("goroscope_map_writes_by_site_total", &[&labels[..], &[("written_by", "main.writeEagerly")]].concat())
}

fn wait_writes(agent: &Agent, process: &str, pod: &str, expected: u64) {
    wait_equal(&format!("{process} of {pod} has written {expected} times"), &Ok(()), || {
        let scrape = agent.scrape();
        let all = || scrape.select("goroscope_map_writes_by_site_total", &[("process", process)]).cloned().collect::<Vec<_>>();
        if writes(&scrape, process, pod) == Some(expected) { Ok(()) } else { Err(all()) }
    });
}

fn errors(agent: &Agent, reason: &str) -> u64 {
    agent.scrape().sum("goroscope_agent_k8s_watch_errors_total", &[("reason", reason)]).unwrap_or(0)
}

#[test]
fn replicas_of_one_image_are_attached_once_and_counted_by_pod() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "replica");
    let server = ApiServer::start();
    let lasting = Target::spawn(&file, &[]);
    let agent = agent(&server, &[]);
    agent.wait_attached(lasting.pid, "replica");
    let containers = ["a1", "a2", "a3"].map(|uid| (uid, Container::new(uid)));
    for (uid, container) in &containers {
        server.put(&pod(uid, &[(&container.id, "running")]));
    }
    let targets = containers.each_ref().map(|(_, container)| spawn_in(container, &file));
    for (uid, _) in &containers {
        wait_writes(&agent, "replica", uid, WRITES);
    }
    let scrape = agent.scrape_anew();
    assert_eq!(scrape.sum("goroscope_agent_executables", &[]).map(|count| count >= 1), Some(true));
    let processes: Vec<Value> = targets.iter().map(|target| agent.process(target.pid).unwrap().0).collect();
    assert!(processes.iter().all(|process| process["namespace"] == "shop" && process["container"] == "app"), "{processes:?}");
    // Workload and ids are information, not identity.
    let of_first = [("process", "replica"), ("pod", "web-6d4cf5-a1")];
    let info = scrape.select("goroscope_process_info", &of_first).next().cloned().unwrap();
    for (label, value) in [("workload", "web"), ("workload_type", "Deployment"), ("pod_uid", "a1"), ("container_id", &containers[0].1.id)] {
        assert_eq!(info.labels[label], value, "{info:?}");
    }
    // Memory of who is young is read a little later.
    let count = |scrape: &Scrape| scrape.select("go_goroutine_count", &of_first).next().cloned();
    let labels = wait_for("its memory has been read", || count(&agent.scrape())).labels;
    assert_eq!(labels.len(), 4, "{labels:?}");
    // The one outside has its own, without a pod.
    let outside = scrape.select("go_goroutine_count", &[("process", "replica")]).filter(|sample| !sample.labels.contains_key("pod"));
    assert_eq!(outside.count(), 1);
    // A container that is started again goes on counting where the last one stopped.
    let [first, _, _] = targets;
    first.finish();
    let (_, old) = &containers[0];
    let again = Container::new("a1");
    let next = spawn_in(&again, &file);
    let mut restarted = pod("a1", &[(&again.id, "running")]);
    restarted["status"]["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 1, "containerID": format!("containerd://{}", old.id)}});
    server.put(&restarted);
    wait_writes(&agent, "replica", "a1", 2 * WRITES);
    drop(next);
}

#[test]
fn names_that_come_late_find_every_count_and_no_series_has_the_id() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "late");
    let server = ApiServer::start();
    let agent = agent(&server, &[]);
    let (living, ended) = (Container::new("b1"), Container::new("b2"));
    // Perf links (before Linux 6.6) do not tell of a process that nobody has looked at yet: this one keeps the file attached.
    let outside = Target::spawn(&file, &[]);
    agent.wait_attached(outside.pid, "late");
    let target = spawn_in(&living, &file);
    let short = spawn_in(&ended, &file);
    agent.wait_attached(target.pid, "late");
    agent.wait_attached(short.pid, "late");
    let pid = short.pid;
    short.finish();
    wait_until("it is forgotten", || agent.process(pid).is_none());
    let by_id =
        |scrape: &Scrape| scrape.select("goroscope_map_writes_total", &[("process", "late")]).any(|s| s.labels.contains_key("container"));
    assert!(!by_id(&agent.scrape()), "held back");
    assert_eq!(agent.scrape().sum("goroscope_agent_k8s_unnamed_processes", &[]), Some(1));
    // The status comes when one of them has ended long ago, with its pod.
    server.put(&pod("b1", &[(&living.id, "running")]));
    server.put(&pod("b2", &[(&ended.id, "terminated")]));
    server.delete("b2");
    wait_writes(&agent, "late", "b1", WRITES);
    wait_writes(&agent, "late", "b2", WRITES);
    let scrape = agent.scrape();
    assert_eq!(scrape.sum("goroscope_agent_k8s_unnamed_processes", &[]), Some(0));
    assert!(scrape.select("go_goroutine_count", &[("process", "late"), ("pod", "web-6d4cf5-b2")]).next().is_none(), "it has no gauges");
    drop(target);
}

#[test]
fn processes_that_end_before_they_are_looked_at_have_the_names_of_their_pods() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "fleeting");
    let server = ApiServer::start();
    // One pod's names are known before, one's come later, one does not want it.
    let [known, late, shy] = ["g1", "g2", "g3"].map(|uid| (uid, Container::new(uid)));
    server.put(&pod("g1", &[(&known.1.id, "running")]));
    let mut unwanted = pod("g3", &[]);
    unwanted["metadata"]["annotations"] = json!({"goroscope.io/observe": "false"});
    server.put(&unwanted);
    let (outside, barrier) = (Target::spawn(&file, &[]), Target::spawn(&file, &[]));
    let agent = agent(&server, &[]);
    for target in [&outside, &barrier] {
        agent.wait_attached(target.pid, "fleeting");
    }
    wait_until("pods are known", || agent.scrape().sum("goroscope_agent_k8s_pods", &[]) == Some(2));
    // The one who looks at processes is busy, as on a node where many begin.
    let holder = agent.hold("finder");
    let brief = [&known, &late, &shy].map(|(_, container)| spawn_in(container, &file));
    // Records come in their order: when this one's end is known, their beginning is.
    let pid = barrier.pid;
    barrier.finish();
    wait_until("the kernel's records have been read", || agent.process(pid).is_none());
    brief.into_iter().for_each(Target::finish);
    holder.finish();
    wait_writes(&agent, "fleeting", "g1", WRITES);
    server.put(&pod("g2", &[(&late.1.id, "terminated")]));
    wait_writes(&agent, "fleeting", "g2", WRITES);
    let scrape = agent.scrape();
    let mut pods = scrape.select("goroscope_map_writes_total", &[("process", "fleeting")]).filter_map(|sample| sample.labels.get("pod"));
    assert!(!pods.any(|pod| pod == "web-6d4cf5-g3"), "it is left alone");
    drop(outside);
}

#[test]
fn pods_that_do_not_want_it_are_left_alone() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let [by_annotation, by_namespace, by_label, wanted] = ["shy", "foreign", "unselected", "selected"].map(|name| named(&directory, name));
    let server = ApiServer::start();
    let containers = ["c1", "c2", "c3", "c4"].map(Container::new);
    let mut pods = ["c1", "c2", "c3", "c4"].map(|uid| pod(uid, &[]));
    pods[0]["metadata"]["annotations"] = json!({"goroscope.io/observe": "false"});
    pods[1]["metadata"]["namespace"] = "bank".into();
    pods[2]["metadata"]["labels"]["tier"] = "test".into();
    // The pods are known, their containers are not yet.
    pods.iter().for_each(|pod| server.put(pod));
    let agent = agent(&server, &["--namespace", "sh*", "--exclude-namespace", "shadow", "--pod-selector", "tier notin (test,dev)"]);
    let mut targets = Vec::new();
    for (container, file) in containers.iter().zip([&by_annotation, &by_namespace, &by_label, &wanted]) {
        targets.push(spawn_in(container, file));
    }
    agent.wait_attached(targets[3].pid, "selected");
    for (pod, container) in pods.iter_mut().zip(&containers) {
        let mut status = self::pod("x", &[(&container.id, "running")])["status"].take();
        pod["status"] = status.take();
        server.put(pod);
    }
    // Nothing was attached when it began.
    let is_named = |scrape: &Scrape| scrape.select("go_goroutine_count", &[("process", "selected"), ("pod", "web-6d4cf5-c4")]).count() == 1;
    wait_until("the wanted one is named", || is_named(&agent.scrape()));
    for target in &targets[..3] {
        assert!(agent.process(target.pid).is_none(), "{}", target.pid);
    }
    // One that changes its mind while it is observed.
    pods[3]["metadata"]["annotations"] = json!({"goroscope.io/observe": "false"});
    server.put(&pods[3]);
    wait_until("it is left alone", || agent.process(targets[3].pid).is_none());
    targets.into_iter().for_each(Target::finish);
    let scrape = agent.scrape();
    for name in ["shy", "foreign", "unselected"] {
        assert!(scrape.select("goroscope_map_writes_total", &[("process", name)]).next().is_none(), "{name}");
    }
}

#[test]
fn without_the_server_names_stay_counting_goes_on_and_all_comes_back() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "steady");
    let server = ApiServer::start();
    let [known, new] = ["d1", "d2"].map(Container::new);
    server.put(&pod("d1", &[(&known.id, "running")]));
    let target = spawn_in(&known, &file);
    let agent = agent(&server, &[]);
    wait_until("it is named", || agent.scrape().select("go_goroutine_count", &[("pod", "web-6d4cf5-d1")]).next().is_some());
    let connected = |agent: &Agent| agent.scrape().sum("goroscope_agent_k8s_connected", &[]);
    assert_eq!(connected(&agent), Some(1));
    for (mood, reason) in [(Mood::Down, "unreachable"), (Mood::Forbidding, "forbidden")] {
        let before = errors(&agent, reason);
        server.set_mood(Mood::Down);
        wait_until("the loss is noticed", || connected(&agent) == Some(0));
        server.set_mood(mood);
        wait_until("it asks again and again", || errors(&agent, reason) >= before + 2);
        let ready = agent.get("/readyz");
        assert!(ready.status == 200 && ready.body.contains("lost: kubernetes: the API server does not answer"), "{}", ready.body);
        assert_eq!(agent.get("/livez").status, 200);
        let scrape = agent.scrape_anew();
        assert_eq!(scrape.select("go_goroutine_count", &[("process", "steady"), ("pod", "web-6d4cf5-d1")]).count(), 1, "named as before");
        server.set_mood(Mood::Well);
        wait_until("it is back", || connected(&agent) == Some(1));
        assert_eq!(agent.get("/readyz").body, "ready\n");
    }
    let said = agent.log().lines().filter(|line| line.contains("the API server does not tell of pods")).count();
    assert_eq!(said, 2, "once for each loss");
    // What happened meanwhile is told: the watch goes on where it was.
    server.set_mood(Mood::Down);
    wait_until("the loss is noticed", || connected(&agent) == Some(0));
    let late = spawn_in(&new, &file);
    agent.wait_attached(late.pid, "steady");
    server.put(&pod("d2", &[(&new.id, "running")]));
    server.set_mood(Mood::Well);
    wait_writes(&agent, "steady", "d2", WRITES);
    drop((target, late));
}

#[test]
fn a_watch_that_is_too_old_leads_to_a_new_list() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "expired");
    let server = ApiServer::start();
    let [one, other] = ["e1", "e2"].map(Container::new);
    server.put(&pod("e1", &[(&one.id, "running")]));
    let agent = agent(&server, &[]);
    server.forget();
    wait_until("the watch ends", || errors(&agent, "expired") > 0);
    // Deleted and made while nobody watched.
    server.delete("e1");
    server.put(&pod("e2", &[(&other.id, "running")]));
    wait_until("pods are listed anew", || agent.scrape().sum("goroscope_agent_k8s_pods", &[]) == Some(1));
    let target = spawn_in(&other, &file);
    wait_until("it is named", || agent.scrape().select("go_goroutine_count", &[("pod", "web-6d4cf5-e2")]).next().is_some());
    assert!(
        server.asked().iter().all(|path| path.contains("fieldSelector=spec.nodeName%3Dnode-1")),
        "only the node's: {:?}",
        server.asked()
    );
    drop(target);
}

#[test]
fn a_server_that_hangs_delays_readiness_and_nothing_else() {
    let _alone = alone();
    let server = ApiServer::start();
    server.set_mood(Mood::Hanging);
    let flags = server.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let agent = Agent::launch(&flags);
    let unready = wait_for("it answers", || {
        let response = common::http::get(agent.address, "/readyz", None).ok()?;
        (response.status == 503 && response.body.contains("has not told of this node's pods yet")).then_some(response)
    });
    assert!(unready.body.starts_with("not ready"), "{}", unready.body);
    wait_until("processes are looked at all the same", || agent.scrape().select("goroscope_agent_processes", &[]).next().is_some());
    server.set_mood(Mood::Well);
    wait_until("it is ready", || agent.get("/readyz").status == 200);
    agent.stop();
}

#[test]
fn hostile_names_make_no_broken_page() {
    let _alone = alone();
    let directory = TempDir::new().unwrap();
    let file = named(&directory, "hostile");
    let server = ApiServer::start();
    let container = Container::new("f1");
    let mut pod = pod("f1", &[(&container.id, "running")]);
    let evil = format!("x\"}} 1\n# EOF\n{}\u{202e}", "\u{1b}[2J".repeat(500));
    pod["metadata"]["name"] = evil.clone().into();
    pod["metadata"]["namespace"] = evil.clone().into();
    pod["metadata"]["ownerReferences"][0]["name"] = evil.clone().into();
    pod["status"]["containerStatuses"][0]["name"] = evil.into();
    server.put(&pod);
    // What is no pod at all does not stop the rest.
    server.put(&json!({"metadata": {"uid": "f2", "namespace": "shop"}, "status": {}}));
    let agent = agent(&server, &[]);
    let target = spawn_in(&container, &file);
    let sample = wait_for("it is named", || {
        let scrape = agent.scrape();
        scrape.select("go_goroutine_count", &[("process", "hostile")]).find(|sample| sample.labels.contains_key("pod")).cloned()
    });
    for label in ["namespace", "pod", "container"] {
        let value = &sample.labels[label];
        assert!(value.starts_with("x\"} 1\u{fffd}# EOF") && value.len() <= 256 && !value.contains(char::is_control), "{value}");
    }
    assert!(!agent.log().contains('\u{1b}'));
    drop(target);
}

#[test]
fn the_api_server_is_asked_who_may_read_metrics() {
    let _alone = alone();
    let server = ApiServer::start();
    let agent = agent(&server, &["--auth=kubernetes"]);
    let review = |status: Value| server.answer("tokenreviews", 201, json!({"spec": {}, "status": status}));
    let access = |status: Value| server.answer("subjectaccessreviews", 201, json!({"spec": {}, "status": status}));
    let ask = |token: &str| get_as(token, agent.address, "/metrics").unwrap().status;
    review(
        json!({"authenticated": true, "user": {"username": "system:serviceaccount:monitoring:prometheus", "groups": ["system:authenticated"]}}),
    );
    access(json!({"allowed": true}));
    assert_eq!((ask("good"), ask("good")), (200, 200));
    let (tokens, accesses) = (server.posted("tokenreviews"), server.posted("subjectaccessreviews"));
    assert_eq!((tokens.len(), accesses.len()), (1, 1), "an answer holds for a while");
    assert_eq!(tokens[0]["spec"]["token"], "good");
    let expected = json!({
        "user": "system:serviceaccount:monitoring:prometheus", "groups": ["system:authenticated"],
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    });
    for key in ["user", "groups", "nonResourceAttributes"] {
        assert_eq!(accesses[0]["spec"][key], expected[key], "{accesses:?}");
    }
    access(json!({"allowed": false}));
    assert_eq!(ask("somebody"), 403);
    access(json!({"allowed": true, "denied": true}));
    assert_eq!(ask("denied"), 403);
    access(json!({"allowed": true}));
    review(json!({"authenticated": false, "error": "token has expired"}));
    assert_eq!(ask("expired"), 401);
    review(json!({}));
    assert_eq!(ask("strange"), 401);
    assert_eq!(agent.get("/metrics").status, 401);
    // Nobody gets in while there is nobody to ask; liveness does not depend on it.
    for mood in [Mood::Forbidding, Mood::Down] {
        server.set_mood(mood);
        assert_eq!(ask("anew"), 503, "{mood:?}");
    }
    assert_eq!(agent.get("/livez").status, 200);
    server.set_mood(Mood::Well);
    review(json!({"authenticated": true, "user": {"username": "u"}}));
    assert_eq!(ask("anew"), 200);
    agent.stop();
}
