//! `cargo xtask monitoring`: rules, runbooks, dashboards and the Alertmanager example are sound, and name only what the agent exports.

mod alertmanager;
mod dashboard;
mod expression;
mod live;
mod names;
mod panels;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

pub(crate) use self::dashboard::DASHBOARDS;
use self::dashboard::Dashboard;
use self::names::Names;
use self::rules::Rules;
pub(crate) use self::rules::{RULES, yaml};
use crate::paths::{root, target};
use crate::setup::{self, LATER, Need};
use crate::table::{self, Checked, row, verdict};
use crate::{apt, step};

/// Checks rules and their tests (Prometheus 2 and 3), runbooks, the Alertmanager example and dashboards.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the dashboards that Grafana reads from their sources first.
    #[arg(long)]
    write: bool,
    /// Run each panel's query and the rules against a real Prometheus, agent and Go program, too (root, about a minute).
    #[arg(long)]
    live: bool,
}

/// The programs that judge, this Debian's and a later one's.
struct Tools {
    promtools: [PathBuf; 2],
    amtools: [PathBuf; 2],
}

impl Tools {
    fn here() -> Self {
        let program = |dir: PathBuf, name: &str| dir.join("usr/bin").join(name);
        Self {
            promtools: [program(apt::unpacked("prometheus"), "promtool"), program(apt::unpacked_from(LATER, "promtool"), "promtool")],
            amtools: [apt::unpacked("prometheus-alertmanager"), apt::unpacked_from(LATER, "prometheus-alertmanager")]
                .map(|dir| program(dir, "amtool")),
        }
    }
}

/// promtool of Prometheus 2 and 3; `Need::Monitoring` provides both.
pub(crate) fn promtools() -> [PathBuf; 2] {
    Tools::here().promtools
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    setup::ensure(yes, &[Need::Monitoring])?;
    if args.write {
        for dashboard in dashboard::read()? {
            fs::write(&dashboard.json, dashboard.render()?)?;
            step::note(&format!("wrote {}", dashboard.json.display()));
        }
    }
    check()?;
    if args.live { live(yes) } else { Ok(()) }
}

/// Every panel's query and the rules against a real Prometheus that scrapes a real agent; about a minute and a half.
///
/// # Errors
/// A panel shows nothing, an alert does not fire, or another does.
pub(crate) fn live(yes: bool) -> Result<()> {
    live::run(yes)
}

/// Everything but the live check.
///
/// # Errors
/// Something is wrong: what, is in the table and below it.
pub(crate) fn check() -> Result<()> {
    let start = Instant::now();
    let tools = Tools::here();
    let rules = Rules::read()?;
    let names = Names::read(rules.recorded())?;
    let dashboards = dashboard::read()?;
    let mut table = ours(&rules, &names, &dashboards)?;
    table.extend(theirs(&tools, &rules, &dashboards)?);
    table::show("monitoring", &table, start)
}

/// What only this project asks.
fn ours(rules: &Rules, names: &Names, dashboards: &[Dashboard]) -> Result<Vec<Checked>> {
    let mut of_rules = vec![];
    rules.judge(names, &mut of_rules)?;
    let strangers = alertmanager::strangers(&rules.alerts().map(|(name, _)| name).collect())?;
    of_rules.extend(strangers.iter().map(|name| format!("the Alertmanager example inhibits by {name}, which is no alert")));
    let (mut of_panels, mut of_files, mut queries) = (vec![], vec![], 0);
    for dashboard in dashboards {
        let rendered = dashboard.render()?;
        if fs::read_to_string(&dashboard.json).ok().as_ref() != Some(&rendered) {
            of_files.push(format!("{} is not what its source says: cargo xtask monitoring --write", dashboard.json.display()));
        }
        of_panels.extend(panels::judge(&serde_json::from_str(&rendered)?));
        for query in dashboard.queries() {
            queries += 1;
            let unknown = names.unknown(&query.expr).into_iter();
            of_panels.extend(unknown.map(|series| format!("{}: {}: nobody exports `{series}`", query.dashboard, query.panel)));
        }
    }
    let count = |number: usize, what: &str| format!("{number} {what}");
    Ok(vec![
        row("alerts have words, a runbook section, and tests", count(rules.alerts().count(), "alerts"), verdict(of_rules)),
        row("dashboards are what their sources say", count(dashboards.len(), "files"), verdict(of_files)),
        row("panels keep the rules and name known series", count(queries, "queries"), verdict(of_panels)),
        row("series that the agent declares", names.declared().to_string(), Ok(())),
    ])
}

/// What promtool and amtool ask, of both major versions, side by side.
fn theirs(tools: &Tools, rules: &Rules, dashboards: &[Dashboard]) -> Result<Vec<Checked>> {
    let panels = panel_rules(dashboards)?;
    let scrape = root().join("deploy/prometheus/prometheus.yml");
    let promtool = |promtool: &PathBuf, major: &str| {
        let files = format!("{} files", rules.files.len());
        vec![
            row(&format!("promtool check rules --lint=all, Prometheus {major}"), files.clone(), rules::lint(promtool, &rules.files)),
            row(&format!("promtool test rules, Prometheus {major}"), files, rules::test(promtool, &rules.tests)),
            row(
                &format!("every panel's query parses, Prometheus {major}"),
                String::new(),
                rules::lint(promtool, std::slice::from_ref(&panels)),
            ),
            row(&format!("promtool check config, Prometheus {major}"), String::new(), rules::config(promtool, &scrape)),
        ]
    };
    let amtool = |amtool: &Path, which: &str| {
        let checked = alertmanager::check(amtool);
        let count = checked.as_ref().map_or(String::new(), |routes| format!("{routes} routes"));
        row(&format!("amtool check-config and routes, {which}"), count, checked.map(drop))
    };
    let [two, three] = &tools.promtools;
    let [old, new] = &tools.amtools;
    let (mut table, of_three) = thread::scope(|scope| {
        let of_three = scope.spawn(|| promtool(three, "3"));
        (promtool(two, "2"), of_three.join())
    });
    table.extend(of_three.map_err(|_| anyhow::anyhow!("a check panicked"))?);
    table.push(amtool(old, "Debian's"));
    table.push(amtool(new, LATER));
    Ok(table)
}

/// A rule file with every panel's query as a rule, for promtool to parse.
fn panel_rules(dashboards: &[Dashboard]) -> Result<PathBuf> {
    let rules: Vec<_> = (dashboards.iter().flat_map(Dashboard::queries).enumerate())
        .map(|(number, query)| {
            let expr = query.expr.replace("$__rate_interval", "1m");
            serde_json::json!({"record": format!("panel:{number}"), "expr": expr, "labels": {"panel": query.panel}})
        })
        .collect();
    let file = target().join("monitoring/panels.yaml");
    fs::create_dir_all(file.parent().unwrap_or(root()))?;
    // JSON is YAML.
    fs::write(&file, serde_json::to_string(&serde_json::json!({"groups": [{"name": DASHBOARDS, "rules": rules}]}))?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
