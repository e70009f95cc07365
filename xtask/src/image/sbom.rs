//! What is in the agent, as CycloneDX JSON. In: what cargo says it links for a platform, and the lock files. Out: a document. Must not
//! know of images.
//!
//! Ours, as cargo-cyclonedx lists macros and what is never compiled, too, and knows nothing of the kernel side.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{agent::triple, rfc3339};
use crate::arch::Arch;
use crate::paths::root;
use crate::setup::{bpf, cargo};
use crate::step::output;

/// What is linked into one program, by `NAME@VERSION`.
type Components = BTreeMap<String, Component>;

/// One package that is linked.
#[derive(Clone, Debug, PartialEq)]
struct Component {
    /// Of this tree, not from crates.io.
    own: bool,
    /// An SPDX expression, or nothing.
    license: String,
    /// Where its source is, or nothing.
    repository: String,
    /// What it uses itself, by id.
    uses: BTreeSet<String>,
}

/// The agent's parts for one architecture.
pub(super) struct Bill {
    arch: Arch,
    agent: Components,
    kernel_side: Components,
}

impl Bill {
    /// What cargo links for `arch`: into the agent, and into the kernel side that it embeds.
    ///
    /// # Errors
    /// cargo cannot tell, or something comes from elsewhere than crates.io.
    pub(super) fn new(arch: Arch) -> Result<Self> {
        let of = |folder: &str, package: &str, platform: &str| {
            let mut tree = cargo();
            tree.current_dir(root().join(folder)).args(["tree", "--quiet", "--locked", "--prefix", "depth", "--format", FORMAT]);
            tree.args(["--edges", "normal,no-proc-macro", "--package", package, "--target", platform]);
            components(&output(&mut tree)?).with_context(|| format!("what cargo tree says of {package}"))
        };
        let agent = of("", AGENT, triple(arch))?;
        Ok(Self { arch, agent, kernel_side: of("ebpf", KERNEL_SIDE, bpf::TARGET)? })
    }

    /// Compares with the ids of what was `compiled` for the agent's platform.
    ///
    /// # Errors
    /// They are not the same.
    pub(super) fn check(&self, compiled: &BTreeSet<String>) -> Result<()> {
        let listed: BTreeSet<String> = self.agent.keys().cloned().collect();
        let only = |these: &BTreeSet<String>, those| these.difference(those).cloned().collect::<Vec<String>>().join(", ");
        let (unlisted, idle) = (only(compiled, &listed), only(&listed, compiled));
        ensure!(
            unlisted.is_empty() && idle.is_empty(),
            "the list of components is not what was compiled; not listed: [{unlisted}]; not compiled: [{idle}]"
        );
        Ok(())
    }

    /// The document, with `created` (seconds since the epoch) as its time. It names no path.
    ///
    /// # Errors
    /// A lock file lacks something from crates.io.
    pub(super) fn text(&self, created: u64) -> Result<String> {
        let mut sums = checksums(&root().join("Cargo.lock"))?;
        sums.append(&mut checksums(&root().join("ebpf/Cargo.lock"))?);
        let agent = find(&self.agent, AGENT)?;
        let mut all: Components = BTreeMap::new();
        for (id, component) in self.agent.iter().chain(&self.kernel_side) {
            let same = all.entry(id.clone()).or_insert_with(|| Component { uses: BTreeSet::new(), ..component.clone() });
            same.uses.extend(component.uses.iter().cloned());
        }
        let embedded = find(&self.kernel_side, KERNEL_SIDE)?;
        all.get_mut(&agent).context("the agent is in it")?.uses.insert(embedded);
        let mut listed = vec![];
        for (id, component) in all.iter().filter(|(id, _)| **id != agent) {
            listed.push(described(id, component, "library", &sums)?);
        }
        let edges = all.iter().map(|(id, component)| json!({"ref": id, "dependsOn": component.uses}));
        let main = described(&agent, all.get(&agent).context("the agent is in it")?, "application", &sums)?;
        let document = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {
                "timestamp": rfc3339(created),
                "component": main,
                "properties": [{"name": "cdx:rustc:sbom:target:triple", "value": triple(self.arch)}],
            },
            "components": listed,
            "dependencies": edges.collect::<Vec<Value>>(),
        });
        Ok(format!("{document:#}\n"))
    }
}

const AGENT: &str = "goroscope";
const KERNEL_SIDE: &str = "goroscope-ebpf";
/// Of `cargo tree`: package, licence, repository.
const FORMAT: &str = "{p}\t{l}\t{r}";

/// The id of the package `name`.
fn find(components: &Components, name: &str) -> Result<String> {
    let id = components.keys().find(|id| id.split_once('@').is_some_and(|(own, _)| own == name));
    id.cloned().with_context(|| format!("{name} is not in its own tree"))
}

/// Reads `cargo tree`, each line `DEPTH NAME vVERSION [(PATH)] TAB LICENCE TAB REPOSITORY`, with ` (*)` behind what was told before.
/// An id is `NAME@VERSION`.
fn components(tree: &str) -> Result<Components> {
    let mut found = Components::new();
    let mut above: Vec<String> = vec![];
    for line in tree.lines() {
        let mut fields = line.strip_suffix(" (*)").unwrap_or(line).split('\t');
        let (package, license, repository) = (fields.next(), fields.next(), fields.next());
        let (Some(package), Some(license), Some(repository)) = (package, license, repository) else { bail!("no package: {line}") };
        let digits = package.find(|letter: char| !letter.is_ascii_digit()).context("a package has a name")?;
        let (depth, package) = package.split_at(digits);
        let mut words = package.splitn(3, ' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let version = version.strip_prefix('v').with_context(|| format!("no version: {line}"))?;
        let own = match words.next() {
            None => false,
            Some(from) if from.strip_prefix('(').is_some_and(|path| Path::new(path).starts_with(root())) => true,
            Some(from) => bail!("{name} is neither of this tree nor from crates.io: {from}"),
        };
        let id = format!("{name}@{version}");
        above.truncate(depth.parse().with_context(|| format!("no depth: {line}"))?);
        if let Some(user) = above.last().and_then(|user| found.get_mut(user)) {
            user.uses.insert(id.clone());
        }
        // A slash was how licences were joined before SPDX.
        let license = license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        let component = Component { own, license, repository: repository.to_owned(), uses: BTreeSet::new() };
        found.entry(id.clone()).or_insert(component);
        above.push(id);
    }
    Ok(found)
}

/// One component as CycloneDX has it.
fn described(id: &str, component: &Component, kind: &str, sums: &BTreeMap<String, String>) -> Result<Value> {
    let (name, version) = id.split_once('@').context("an id has a version")?;
    let mut said = json!({"type": kind, "bom-ref": id, "name": name, "version": version});
    let fields = said.as_object_mut().context("an object")?;
    if !component.own {
        let sum = sums.get(id).with_context(|| format!("no lock file has a checksum of {id}"))?;
        fields.insert("purl".to_owned(), json!(format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))));
        fields.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": sum}]));
    }
    if !component.license.is_empty() {
        fields.insert("licenses".to_owned(), json!([{"expression": component.license}]));
    }
    let repository = if component.own { env!("CARGO_PKG_REPOSITORY") } else { component.repository.as_str() };
    if !repository.is_empty() {
        fields.insert("externalReferences".to_owned(), json!([{"type": "vcs", "url": repository}]));
    }
    Ok(said)
}

/// A lock file of cargo.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

/// A package in a lock file; those of this tree have no checksum.
#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Checksums by id in a lock file.
fn checksums(lock: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("{} is no lock file", lock.display()))?;
    let sum = |Locked { name, version, checksum }| Some((format!("{name}@{version}"), checksum?));
    Ok(lock.package.into_iter().filter_map(sum).collect())
}

#[cfg(test)]
mod tests;
