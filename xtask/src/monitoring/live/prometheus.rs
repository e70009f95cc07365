//! A Prometheus of our own: this Debian's, unpacked, with one target. In: PromQL. Out: [`Series`].

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::json;

use super::{shorten, shown};
use crate::apt;
use crate::demo::agent::get;

/// One series of an answer.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// Where it is, and where it listens.
pub(super) struct Prometheus {
    dir: PathBuf,
    address: SocketAddr,
}

impl Prometheus {
    /// Writes configuration and shortened rules into `dir`.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn prepare(dir: &Path, agent: SocketAddr, address: SocketAddr, rules: &[PathBuf]) -> Result<Self> {
        let mut files = vec![];
        for rule in rules {
            let name = dir.join(rule.file_name().context("a rule file has a name")?);
            fs::write(&name, shorten::rules(&fs::read_to_string(rule)?))?;
            files.push(shown(&name));
        }
        let target = json!({"targets": [agent], "labels": {"cluster": "lab", "node": "lab1"}});
        let scrape = json!({"job_name": "goroscope", "honor_labels": true, "static_configs": [target]});
        let global = json!({"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"});
        let config = json!({"global": global, "rule_files": files, "scrape_configs": [scrape]});
        fs::write(dir.join("prometheus.yml"), serde_json::to_string(&config)?)?;
        Ok(Self { dir: dir.to_owned(), address })
    }

    pub(super) fn program(&self) -> PathBuf {
        apt::unpacked("prometheus").join("usr/bin/prometheus")
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let file = |name: &str| shown(&self.dir.join(name));
        vec![
            format!("--config.file={}", file("prometheus.yml")),
            format!("--storage.tsdb.path={}", file("data")),
            format!("--web.listen-address={}", self.address),
            "--log.level=warn".to_owned(),
        ]
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The answer to an instant query; nothing while it does not listen yet.
    ///
    /// # Errors
    /// It refuses the query.
    pub(super) fn query(&self, promql: &str) -> Result<Vec<Series>> {
        if !is_ready(self.address) {
            return Ok(vec![]);
        }
        let body = get(self.address, &format!("/api/v1/query?query={}", encoded(promql))).with_context(|| promql.to_owned())?;
        let answer: Answer = serde_json::from_str(&body).with_context(|| format!("Prometheus' answer to {promql}"))?;
        let series = |sample: Sample| Ok(Series { labels: sample.metric, value: sample.value.1.parse()? });
        answer.data.result.into_iter().map(series).collect()
    }
}

fn is_ready(address: SocketAddr) -> bool {
    get(address, "/-/ready").is_ok()
}

/// A query as a part of a URL.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encoded("a{b=\"c d\"}+1"), "a%7Bb%3D%22c%20d%22%7D%2B1");
    }
}
