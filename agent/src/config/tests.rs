//! Layers put together, and what is said of wrong ones.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Auth, Config, ConfigError, DEFAULT_LISTEN, DEFAULT_LOG_LEVEL, Key, Kubernetes, KubernetesMode, Layer, LogFormat, Origin, Otlp,
};

fn load(flags: &[(Key, &str)], environment: &[(&str, &str)], yaml: &str) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    load_file(flags, environment, Some(file.path().to_owned()))
}

fn load_file(flags: &[(Key, &str)], environment: &[(&str, &str)], file: Option<PathBuf>) -> Result<Config, ConfigError> {
    let mut layer = Layer::default();
    flags.iter().for_each(|(key, value)| layer.push(*key, *value, Origin::Flag));
    Config::load(layer, file, environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The whole message, with the name of the file cut off.
fn message(flags: &[(Key, &str)], environment: &[(&str, &str)], yaml: &str) -> String {
    let message = load(flags, environment, yaml).unwrap_err().to_string();
    message
        .lines()
        .map(|line| line.strip_prefix("/").and_then(|line| line.split_once(':')).map_or(line, |(_, rest)| rest))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn defaults_need_nothing() {
    let config = load_file(&[], &[], None).unwrap();
    assert_eq!(config.listen, address(DEFAULT_LISTEN));
    assert_eq!(config.log_level.as_str(), DEFAULT_LOG_LEVEL);
    assert!(
        config.view
            && !config.exact
            && !config.per_process
            && config.pids.is_empty()
            && config.excludes.is_empty()
            && config.health_listen.is_none()
    );
    for empty in ["", "# nothing\n", "---\n", "{}\n"] {
        assert!(load(&[], &[], empty).is_ok(), "{empty:?}");
    }
}

#[test]
fn a_flag_beats_the_environment_beats_the_file() {
    let yaml = "listen: 0.0.0.0:3\npid: [3, 33]\nexact: true\nlog-format: json\n";
    let environment = [("GOROSCOPE_LISTEN", "0.0.0.0:2"), ("GOROSCOPE_PID", "2, 22"), ("HOME", "/")];
    let config = load(&[(Key::Listen, "0.0.0.0:1")], &environment, yaml).unwrap();
    assert_eq!(config.listen, address("0.0.0.0:1"));
    assert_eq!(config.pids, [2, 22]);
    assert!(config.exact);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(!load(&[(Key::Exact, "false")], &[], yaml).unwrap().exact);
    assert!(load(&[], &[("GOROSCOPE_EXACT", "")], yaml).unwrap().exact, "an empty variable is none");
}

#[test]
fn every_key_is_read_from_every_source() {
    let values = [
        (Key::Listen, "[::1]:1"),
        (Key::HealthListen, "127.0.0.1:2"),
        (Key::Interval, "500ms"),
        (Key::Exact, "yes"),
        (Key::Pid, "7"),
        (Key::Exclude, "a*"),
        (Key::PerProcess, "1"),
        (Key::SnapshotDir, "/tmp/snapshots"),
        (Key::TlsCert, "/tls/tls.crt"),
        (Key::TlsKey, "/tls/tls.key"),
        (Key::TlsClientCa, "/tls/ca.crt"),
        (Key::Auth, "token"),
        (Key::AuthTokenFile, "/auth/tokens"),
        (Key::DebugSocket, "/run/goroscope.sock"),
        (Key::OtlpEndpoint, "https://otel:4318/base/"),
        (Key::OtlpHeader, "Authorization=Bearer a=b"),
        (Key::OtlpInterval, "20s"),
        (Key::Kubernetes, "auto"),
        (Key::Kubeconfig, "/etc/kubeconfig"),
        (Key::NodeName, "node-1"),
        (Key::Namespace, "team-*"),
        (Key::ExcludeNamespace, "team-b"),
        (Key::PodSelector, "tier!=test"),
        (Key::Events, "no"),
        (Key::Alertmanager, "http://alerts:9093/base/"),
        (Key::MapEntries, "sites=4096"),
        (Key::LogLevel, "warn,goroscope::tracer=debug"),
        (Key::LogFormat, "json"),
        (Key::View, "no"),
    ];
    assert_eq!(values.map(|(key, _)| key), Key::ALL);
    let environment: Vec<_> = values.iter().map(|(key, value)| (key.variable(), *value)).collect();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let yaml: String = values.iter().map(|(key, value)| format!("{}: '{value}'\n", key.name())).collect();
    for config in [load_file(&values, &[], None), load_file(&[], &environment, None), load(&[], &[], &yaml)] {
        let config = config.unwrap();
        assert_eq!((config.listen, config.health_listen), (address("[::1]:1"), Some(address("127.0.0.1:2"))));
        assert_eq!((config.exact, config.per_process, &config.pids[..]), (true, true, &[7][..]));
        assert!(config.excludes.excludes("api", "/api") && !config.excludes.excludes("b", "/a"));
        assert_eq!((config.log_level.as_str(), config.log_format), ("warn,goroscope::tracer=debug", LogFormat::Json));
        assert!(!config.view);
        let tls = config.tls.unwrap();
        assert_eq!((tls.cert, tls.key, tls.client_ca), ("/tls/tls.crt".into(), "/tls/tls.key".into(), Some("/tls/ca.crt".into())));
        assert_eq!((config.auth, config.debug_socket), (Auth::Token("/auth/tokens".into()), Some("/run/goroscope.sock".into())));
        let Otlp { endpoint, headers, interval } = config.otlp.unwrap();
        assert_eq!((endpoint.to_string().as_str(), interval.as_secs()), ("https://otel:4318/base/v1/metrics", 20));
        assert!(headers.len() == 1 && headers[0].0 == "authorization" && headers[0].1 == "Bearer a=b" && headers[0].1.is_sensitive());
        assert_eq!(config.alertmanagers, ["http://alerts:9093/base/api/v2/alerts"]);
        let Kubernetes { mode, kubeconfig, node_name, events, scope } = config.kubernetes;
        assert_eq!((mode, kubeconfig.as_deref(), events), (KubernetesMode::Auto, Some(Path::new("/etc/kubeconfig")), false));
        assert_eq!(node_name.as_deref(), Some("node-1"));
        let (none, test) = (BTreeMap::new(), BTreeMap::from([("tier".to_owned(), "test".to_owned())]));
        let wants = |namespace, labels| scope.wants(namespace, labels, &BTreeMap::new());
        assert!(wants("team-a", &none) && !wants("team-b", &none) && !wants("other", &none) && !wants("team-a", &test));
    }
}

#[test]
fn a_receiver_is_asked_at_the_path_of_metrics() {
    let check = |endpoint: &str, expected: Option<&str>| {
        let found = load_file(&[(Key::OtlpEndpoint, endpoint)], &[], None).ok().and_then(|config| config.otlp);
        assert_eq!(found.map(|otlp| otlp.endpoint.to_string()).as_deref(), expected, "{endpoint}");
    };
    check("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/metrics"));
    check("http://[::1]:4318/", Some("http://[::1]:4318/v1/metrics"));
    check("https://prometheus/api/v1/otlp", Some("https://prometheus/api/v1/otlp/v1/metrics"));
    check("https://prometheus/api/v1/otlp/v1/metrics", Some("https://prometheus/api/v1/otlp/v1/metrics"));
    for wrong in ["", "localhost:4318", "grpc://a:4317", "/v1/metrics", "http://", "http://user:secret@a", "http://a/?token=b"] {
        check(wrong, None);
    }
}

#[test]
fn a_secret_is_never_shown() {
    let wrong = message(&[], &[("GOROSCOPE_OTLP_HEADER", "s3cret")], "");
    assert!(wrong.contains("GOROSCOPE_OTLP_HEADER") && wrong.contains("Name=value") && !wrong.contains("s3cret"), "{wrong}");
    let config = load_file(&[(Key::OtlpEndpoint, "http://a"), (Key::OtlpHeader, "X-Key=s3cret")], &[], None).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn what_is_nothing_alone_is_told() {
    let yaml = "tls-cert: /a\n";
    assert_eq!(message(&[], &[], yaml), "1: tls-cert: needs tls-key too");
    assert_eq!(message(&[(Key::TlsKey, "/a")], &[], ""), "--tls-key: needs --tls-cert too");
    let ca = message(&[], &[("GOROSCOPE_TLS_CLIENT_CA", "/a")], "");
    assert_eq!(ca, "environment variable GOROSCOPE_TLS_CLIENT_CA: needs GOROSCOPE_TLS_CERT too");
    assert_eq!(message(&[(Key::Auth, "token")], &[], ""), "--auth: needs --auth-token-file too");
    assert!(load_file(&[(Key::Auth, "kubernetes")], &[], None).unwrap().auth == Auth::Kubernetes);
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"pid: 5\n").unwrap();
    let config = load_file(&[], &[("GOROSCOPE_CONFIG", file.path().to_str().unwrap())], None).unwrap();
    assert_eq!(config.pids, [5]);
}

#[test]
fn globs_with_braces_are_one_value() {
    let config = load_file(&[], &[("GOROSCOPE_EXCLUDE", "{a,b},c")], None).unwrap();
    assert!(["a", "b", "c"].iter().all(|name| config.excludes.excludes(name, "/")) && !config.excludes.excludes("{a", "/"));
}

#[test]
fn a_health_address_equal_to_the_other_is_none() {
    let config = |health| load_file(&[(Key::Listen, "127.0.0.1:0"), (Key::HealthListen, health)], &[], None).unwrap();
    assert!(config("127.0.0.1:0").health_listen.is_some());
    let same = load_file(&[(Key::HealthListen, DEFAULT_LISTEN)], &[], None).unwrap();
    assert!(same.health_listen.is_none());
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    assert_eq!(message(&[], &[], "exact: true\nlistne: x\n"), "2: listne: there is no such setting; the nearest is listen");
    assert_eq!(message(&[], &[], "perProcess: true\n"), "1: perProcess: there is no such setting; the nearest is per-process");
    let unknown = message(&[], &[("GOROSCOPE_LISTEN_ADDRESS", "x")], "");
    assert_eq!(unknown, "environment variable GOROSCOPE_LISTEN_ADDRESS: there is no such setting; the nearest is GOROSCOPE_LISTEN");
}

#[test]
fn wrong_values_are_told_with_what_is_expected() {
    let address = "expected ADDRESS:PORT with a numeric address, such as 127.0.0.1:9640, 0.0.0.0:9640 or [::1]:9640";
    assert_eq!(message(&[(Key::Listen, ":9640")], &[], ""), format!("--listen: \":9640\" is not usable: {address}"));
    let health = message(&[], &[("GOROSCOPE_HEALTH_LISTEN", "localhost:1")], "");
    assert_eq!(health, format!("environment variable GOROSCOPE_HEALTH_LISTEN: \"localhost:1\" is not usable: {address}"));
    let list = "pid:\n  - 7\n  - 0\n  - -1\n  - 4294967296\n  - x\n";
    let expected = [(3, "0"), (4, "-1"), (5, "4294967296"), (6, "x")]
        .map(|(line, value)| format!("{line}: pid: \"{value}\" is not usable: expected a process id, a number from 1"));
    assert_eq!(message(&[], &[], list), expected.join("\n"));
    assert!(message(&[], &[], "log-level: inof\n").starts_with("1: log-level: \"inof\" is not usable: expected off, error"));
    assert!(message(&[], &[], "exact: maybe\n").ends_with("expected true or false"));
    assert!(message(&[], &[], "listen:\n").contains("listen: \"\" is not usable"));
    assert!(message(&[], &[], "exclude: ['a[']\n").contains("\"a[\" is not usable: expected a glob"));
    assert!(message(&[], &[], "listen: [127.0.0.1:1, 127.0.0.1:2]\n").contains("is set 2 times; it takes one value"));
}

#[test]
fn all_problems_are_told_at_once() {
    let message = message(&[(Key::Listen, "x")], &[("GOROSCOPE_EXAKT", "1")], "pid: zero\nnews: 1\n");
    assert_eq!(message.lines().count(), 4, "{message}");
}

#[test]
fn what_is_no_configuration_is_told_with_its_line() {
    for (yaml, line) in [
        ("exact: true\nexact: false\n", "2:"),
        ("a: b: c\n", "1:"),
        ("- listen\n", "1:"),
        ("exact: {a: b}\n", "1:"),
        ("pid: [[1]]\n", "1:"),
    ] {
        let message = message(&[], &[], yaml);
        assert!(message.starts_with(line) && message.lines().count() == 1, "{yaml:?}: {message}");
    }
    let absent = load_file(&[], &[], Some("/no/such/file.yaml".into())).unwrap_err().to_string();
    assert!(absent.contains("/no/such/file.yaml") && absent.contains("No such file"), "{absent}");
    assert!(message(&[], &[], &"#".repeat(2 << 20)).contains("larger than 1 MiB"));
}

#[test]
fn variables_for_others_are_left_alone() {
    let variables = [
        ("GOROSCOPE_SERVICE_HOST", "10.0.0.1"),
        ("GOROSCOPE_SERVICE_PORT", "9640"),
        ("GOROSCOPE_SERVICE_PORT_METRICS", "9640"),
        ("GOROSCOPE_PORT", "tcp://10.0.0.1:9640"),
        ("GOROSCOPE_PORT_9640_TCP", "tcp://10.0.0.1:9640"),
        ("GOROSCOPE_PORT_9640_TCP_ADDR", "10.0.0.1"),
        ("GOROSCOPE_HEADLESS_PORT_53_UDP_PROTO", "udp"),
        ("GOROSCOPE_REQUIRE_PROMTOOL", "1"),
        ("GOROSCOPE_COMMIT", "abc"),
    ];
    assert!(load_file(&[], &variables, None).is_ok());
}
