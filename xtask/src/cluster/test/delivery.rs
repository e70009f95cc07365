//! Rows: what was found reaches people: by an Event, by Prometheus and Alertmanager, and through the Prometheus Operator.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::lab::{NODE_IP, base, kubeconfig, pki};
use super::super::programs::{OPERATOR, OPERATOR_MODULE, OPERATOR_VERSION, PROMETHEUS};
use super::super::wait::until;
use super::super::{images, kubectl};
use super::manifests::{MONITORING, SHOP, monitoring};
use super::scene::{RELEASE, Scene, family, names, text};
use crate::demo::agent::get;
use crate::demo::child::Child;
use crate::paths::root;
use crate::step::seconds;
use crate::{apt, gomodule};

/// The alert, as the rules call it.
const ALERT: &str = "GoroscopeGoroutineLeak";

/// The leaking statement, as file and line: found in the program's source.
///
/// # Errors
/// The source has no such statement.
fn site() -> Result<String> {
    let source = fs::read_to_string(root().join("xtask/cluster/app/main.go"))?;
    let line = source.lines().position(|line| line.contains("// leaks where nobody receives")).context("app/main.go marks no leak")?;
    Ok(format!("app/main.go:{}", line + 1))
}

pub(super) fn found(_: &mut Scene) -> Result<String> {
    let site = site()?;
    let start = Instant::now();
    let findings = until("a finding of each leaking pod", 240, || {
        let leaky = names("leaky")?;
        let found: Vec<_> = family("goroscope_findings")?.into_iter().filter(|series| leaky.contains(series.label("pod"))).collect();
        let pods: std::collections::BTreeSet<&str> = found.iter().map(|series| series.label("pod")).collect();
        Ok((pods.len() == leaky.len()).then_some(found))
    })?;
    if let Some(odd) = findings.iter().find(|finding| finding.label("site") != site) {
        bail!("a finding is at {}, not at {site}", odd.label("site"));
    }
    let innocent = names("innocent")?;
    if let Some(wrong) = family("goroscope_findings")?.iter().find(|series| innocent.contains(series.label("pod"))) {
        bail!("an innocent pod is accused: {:?}", wrong.labels);
    }
    let evidence: std::collections::BTreeSet<&str> = findings.iter().map(|finding| finding.label("evidence")).collect();
    let evidence = evidence.into_iter().collect::<Vec<_>>().join(", ");
    Ok(format!("each leaking pod at {site}, {evidence}, after another {}; no innocent pod", seconds(start.elapsed())))
}

pub(super) fn event(_: &mut Scene) -> Result<String> {
    let site = site()?;
    let event = until("an Event", 120, || {
        let events = kubectl::get(&["events", "-n", SHOP, "--field-selector", "reason=GoroutineLeak"])?;
        let items = events.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        let leaky = names("leaky")?;
        let pods: std::collections::BTreeSet<&str> = items.iter().map(|event| text(event, "/involvedObject/name")).collect();
        if let Some(wrong) = pods.iter().find(|pod| pod.starts_with("innocent")) {
            bail!("an Event accuses {wrong}");
        }
        Ok(leaky.iter().all(|pod| pods.contains(pod.as_str())).then(|| items.into_iter().next()).flatten())
    })?;
    let message = text(&event, "/message");
    if text(&event, "/type") != "Warning" || text(&event, "/involvedObject/kind") != "Pod" || !message.contains(&site) {
        bail!("the Event is {event}");
    }
    Ok(format!("on each leaking pod: \u{201c}{message}\u{201d}"))
}

/// Alerts that were POSTed here.
#[derive(Clone, Default)]
struct Webhook(Arc<Mutex<Vec<Value>>>);

impl Webhook {
    /// Listens until this process ends.
    fn start() -> Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr()?;
        let hook = Self::default();
        let shared = hook.clone();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                if let Some(body) = request(&mut stream) {
                    shared.0.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Ok((hook, address))
    }

    /// An alert of that name about a pod of these.
    fn has(&self, alert: &str, pods: &std::collections::BTreeSet<String>) -> Option<Value> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alerts = said.iter().filter_map(|body| body.get("alerts")?.as_array()).flatten();
        let mut right = alerts.filter(|found| text(found, "/labels/alertname") == alert && pods.contains(text(found, "/labels/pod")));
        right.next().cloned()
    }
}

/// The JSON body of a request with a length.
fn request(stream: &mut std::net::TcpStream) -> Option<Value> {
    let mut said = vec![];
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).ok()?;
        said.extend_from_slice(part.get(..count)?);
        let all = String::from_utf8_lossy(&said);
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
            if body.len() >= length {
                return serde_json::from_str(body).ok();
            }
        }
        if count == 0 {
            return None;
        }
    }
}

/// Debian's Alertmanager wants its templates below /usr/share, where an unpacked package has not put them: laid over it, for it alone.
const UNDER_ITS_SHARE: [&str; 6] = [
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    "mount -t overlay overlay -o \"lowerdir=$0/usr/share:/usr/share\" /usr/share && exec \"$@\"",
];

const PROMETHEUS_AT: &str = "127.0.0.1:19090";
const ALERTMANAGER_AT: &str = "127.0.0.1:19093";

pub(super) fn plain(scene: &mut Scene) -> Result<String> {
    let dir = base().join("monitoring");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let (webhook, at) = Webhook::start()?;
    let file = |name: &str| dir.join(name).display().to_string();
    let receiver = json!({"name": "hook", "webhook_configs": [{"url": format!("http://{at}/")}]});
    let route = json!({"receiver": "hook", "group_by": ["alertname", "pod"], "group_wait": "1s"});
    fs::write(dir.join("alertmanager.yml"), json!({"route": route, "receivers": [receiver]}).to_string())?;
    fs::write(dir.join("prometheus.yml"), prometheus(&rules()?).to_string())?;
    let alertmanager = apt::unpacked("prometheus-alertmanager").join("usr/bin/prometheus-alertmanager");
    let listen = format!("--web.listen-address={ALERTMANAGER_AT}");
    let (config, storage) = (format!("--config.file={}", file("alertmanager.yml")), format!("--storage.path={}", file("alerts")));
    let (unpacked, program) = (apt::unpacked("prometheus-alertmanager").display().to_string(), alertmanager.display().to_string());
    let arguments = [unpacked.as_str(), &program, &config, &storage, &listen, "--cluster.listen-address="];
    scene.beside.push(Child::start(Path::new("unshare"), &[&UNDER_ITS_SHARE[..], &arguments].concat())?);
    let listen = format!("--web.listen-address={PROMETHEUS_AT}");
    let (config, storage) = (format!("--config.file={}", file("prometheus.yml")), format!("--storage.tsdb.path={}", file("series")));
    scene.beside.push(Child::start(&PROMETHEUS.path(), &[&config, &storage, &listen])?);
    let start = Instant::now();
    let leaky = names("leaky")?;
    until("the alert in Prometheus", 300, || firing(PROMETHEUS_AT, &leaky))?;
    let fired = seconds(start.elapsed());
    until("the alert in Alertmanager", 60, || {
        let alerts: Value = serde_json::from_str(&get(ALERTMANAGER_AT.parse()?, "/api/v2/alerts")?)?;
        let ours = |alert: &Value| text(alert, "/labels/alertname") == ALERT && leaky.contains(text(alert, "/labels/pod"));
        Ok(alerts.as_array().is_some_and(|alerts| alerts.iter().any(ours)).then_some(()))
    })?;
    let alert = until("the alert at the webhook", 60, || Ok(webhook.has(ALERT, &leaky)))?;
    if webhook.has(ALERT, &names("innocent")?).is_some() {
        bail!("an innocent pod is accused");
    }
    let summary = text(&alert, "/annotations/summary");
    if !summary.contains(&site()?) {
        bail!("the summary does not name the statement: {summary}");
    }
    Ok(format!("fires {fired} after Prometheus' start (`for: 2m`), then in Alertmanager and at the webhook: \u{201c}{summary}\u{201d}"))
}

/// The rules as they are shipped.
fn rules() -> Result<Vec<String>> {
    let files = fs::read_dir(root().join("deploy/prometheus/rules"))?.flatten().map(|entry| entry.path());
    let rules: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml") && !path.to_string_lossy().ends_with("_test.yaml")).collect();
    Ok(rules.iter().map(|path| path.display().to_string()).collect())
}

/// Configuration of the plain Prometheus: it finds the agent by the API server.
fn prometheus(rules: &[String]) -> Value {
    let keep = json!({"source_labels": ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_container_port_name"], "regex": format!("{RELEASE};metrics"), "action": "keep"});
    let node = json!({"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"});
    json!({
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": rules,
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER_AT]}]}]},
        "scrape_configs": [{
            "job_name": "goroscope", "honor_labels": true,
            "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": kubeconfig()}],
            "relabel_configs": [keep, node],
        }],
    })
}

/// Whether the alert fires there for all of these pods.
fn firing(prometheus: &str, pods: &std::collections::BTreeSet<String>) -> Result<Option<()>> {
    let answer: Value = serde_json::from_str(&get(prometheus.parse()?, "/api/v1/alerts")?)?;
    let alerts = answer.pointer("/data/alerts").and_then(Value::as_array).context("Prometheus says no alerts")?;
    let fires = |pod: &String| {
        alerts.iter().any(|alert| {
            text(alert, "/state") == "firing" && text(alert, "/labels/alertname") == ALERT && text(alert, "/labels/pod") == pod
        })
    };
    Ok(pods.iter().all(fires).then_some(()))
}

pub(super) fn operator(scene: &mut Scene) -> Result<String> {
    images::import_monitoring()?;
    let crds = gomodule::folder(OPERATOR_MODULE, OPERATOR_VERSION)?.join("example/prometheus-operator-crd").display().to_string();
    kubectl::run(&["apply", "--server-side", "-f", &crds])?;
    kubectl::run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
    let pki = pki().display().to_string();
    let arguments = [
        format!("--apiserver=https://{NODE_IP}:6443"),
        format!("--ca-file={pki}/ca.crt"),
        format!("--cert-file={pki}/admin.crt"),
        format!("--key-file={pki}/admin.key"),
        "--web.listen-address=127.0.0.1:18080".to_owned(),
        format!("--prometheus-config-reloader={}", images::RELOAD),
    ];
    let _operator = Child::start(&OPERATOR.path(), &arguments.each_ref().map(String::as_str))?;
    kubectl::apply(&monitoring())?;
    let labels = [
        "podMonitor.enabled=true",
        "podMonitor.additionalLabels.release=lab",
        "podMonitor.interval=5s",
        "prometheusRule.enabled=true",
        "prometheusRule.additionalLabels.release=lab",
    ];
    scene.install(&labels)?;
    until("the Operator's StatefulSet", 60, || kubectl::run(&["-n", MONITORING, "get", "statefulset", "prometheus-lab"]).map(Some))?;
    kubectl::run(&["-n", MONITORING, "rollout", "status", "statefulset/prometheus-lab", "--timeout=120s"])?;
    let start = Instant::now();
    let pod = kubectl::get(&["pod", "-n", MONITORING, "prometheus-lab-0"])?;
    let at = format!("{}:9090", text(&pod, "/status/podIP"));
    let leaky = names("leaky")?;
    until("the alert in the Operator's Prometheus", 300, || firing(&at, &leaky))?;
    let fired = seconds(start.elapsed());
    let up: Value = serde_json::from_str(&get(at.parse()?, "/api/v1/query?query=up%7Bjob%3D%22goroscope%22%7D")?)?;
    if text(&up, "/data/result/0/metric/node").is_empty() {
        bail!("the scraped target has no node: {up}");
    }
    kubectl::run(&["delete", "namespace", MONITORING, "--timeout=60s"])?;
    scene.install(&[])?;
    Ok(format!("PodMonitor and PrometheusRule of the chart are taken; the alert fires {fired} after Prometheus' start, job goroscope"))
}
