//! What `inspect` tells, as data: the JSON form. Input noun: [`Executable`]. Output noun: [`Inspection`]. Must not know tables.

use std::{collections::BTreeMap, sync::Arc};

use goroscope_gobin::{Function, GoBinary, PclntabLocation, Prologue, VersionSource};
use serde::Serialize;

use super::runtime::{self, RuntimeFacts};
use crate::{
    model::{Executable, Probe, Refusal, RuntimeAddress},
    plan::{plan, plan_at_home},
};

/// Everything. Addresses and offsets are hexadecimal texts, since JSON numbers lose bits.
#[derive(Debug, Serialize)]
pub(super) struct Inspection {
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<ProcessFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) executable: Option<ExecutableFacts>,
    /// Families that are counted when it runs here.
    pub(super) families: Vec<&'static str>,
    /// Of a foreign architecture: where they would be at home.
    pub(super) probes: Vec<ProbeFacts>,
    pub(super) refusals: Vec<RefusalFacts>,
    #[serde(skip)]
    binary: Option<Arc<GoBinary>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ProcessFacts {
    pub(super) pid: Option<u32>,
    pub(super) process: String,
    pub(super) container: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) load_bias: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ExecutableFacts {
    pub(super) size: u64,
    pub(super) digest: String,
    pub(super) go_version: String,
    pub(super) go_version_found_in: &'static str,
    pub(super) arch: &'static str,
    pub(super) package: Option<String>,
    pub(super) module: Option<String>,
    pub(super) module_version: Option<String>,
    pub(super) dependencies: Option<u32>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) go_build_id: Option<String>,
    pub(super) gnu_build_id: Option<String>,
    pub(super) position_independent: bool,
    pub(super) dynamic: bool,
    pub(super) stripped: bool,
    pub(super) section_headers: bool,
    pub(super) entry: String,
    pub(super) pclntab: Place,
    pub(super) functions_in_pclntab: u64,
    pub(super) moduledata: Place,
    /// What is needed to read the runtime's memory.
    pub(super) runtime: RuntimeFacts,
    pub(super) library_ranges: usize,
    pub(super) library_ranges_dropped: u64,
    pub(super) functions: Vec<FunctionFacts>,
    pub(super) ambiguous: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Place {
    pub(super) address: String,
    pub(super) found_by: String,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionFacts {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) file_offset: String,
    pub(super) length: u64,
    pub(super) prologue: String,
    pub(super) bytes: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ProbeFacts {
    pub(super) family: &'static str,
    pub(super) kind: String,
    pub(super) function: String,
    pub(super) file_offset: String,
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runtime_address: Option<String>,
    pub(super) instruction: &'static str,
    pub(super) bytes: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RefusalFacts {
    pub(super) family: &'static str,
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Inspection {
    pub(super) fn of(path: String, result: Result<Arc<Executable>, Refusal>) -> Self {
        let mut inspection =
            Self { path, process: None, executable: None, families: vec![], probes: vec![], refusals: vec![], binary: None };
        match result {
            Err(refusal) => inspection.refusals.push((&refusal).into()),
            Ok(executable) => {
                let (here, home) = (plan(&executable.binary), plan_at_home(&executable.binary));
                inspection.families = here.families.iter().map(|family| family.name()).collect();
                inspection.probes = home.probes.iter().map(ProbeFacts::from).collect();
                inspection.refusals = here.refusals.iter().chain(&home.refusals).map(RefusalFacts::from).collect();
                if here.refusals == home.refusals {
                    inspection.refusals.truncate(here.refusals.len());
                }
                inspection.executable = Some((&*executable).into());
                inspection.binary = Some(Arc::clone(&executable.binary));
            }
        }
        inspection
    }

    /// Adds where things are in a process whose text begins at `text`.
    pub(super) fn place(&mut self, text: RuntimeAddress) {
        let (Some(binary), Some(process)) = (&self.binary, &mut self.process) else { return };
        let bias = text.bias_from(binary.text_base());
        process.load_bias = Some(format!("{bias:#x}"));
        for (probe, facts) in plan_at_home(binary).probes.iter().zip(&mut self.probes) {
            facts.runtime_address = Some(format!("{:#x}", probe.address.0.wrapping_add(bias)));
        }
    }
}

impl From<&Executable> for ExecutableFacts {
    fn from(executable: &Executable) -> Self {
        let binary = &*executable.binary;
        let (build, linkage) = (binary.build.clone(), binary.linkage);
        let module = build.as_ref().and_then(|build| build.main_module.clone());
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            size: executable.id.size,
            digest: hex(&executable.id.digest),
            go_version: binary.version.to_string(),
            go_version_found_in: match binary.version_source {
                VersionSource::BuildInfo => "build info",
                VersionSource::RuntimeBuildVersion => "runtime.buildVersion",
            },
            arch: binary.arch.as_str(),
            package: build.as_ref().and_then(|build| some(build.path.clone())),
            module: module.as_ref().and_then(|module| some(module.path.clone())),
            module_version: module.and_then(|module| some(module.version)),
            dependencies: build.as_ref().map(|build| build.dependencies),
            settings: build.into_iter().flat_map(|build| build.settings).collect(),
            go_build_id: binary.go_build_id.clone().and_then(some),
            gnu_build_id: binary.gnu_build_id.as_deref().map(hex).and_then(some),
            position_independent: linkage.position_independent,
            dynamic: linkage.dynamic,
            stripped: linkage.stripped,
            section_headers: linkage.has_section_headers,
            entry: binary.entry.to_string(),
            pclntab: Place {
                address: binary.pclntab.address.to_string(),
                found_by: match &binary.pclntab.location {
                    PclntabLocation::Section(name) => format!("section {name}"),
                    PclntabLocation::MagicScan => "magic number".to_owned(),
                },
            },
            functions_in_pclntab: binary.pclntab.functions,
            moduledata: Place {
                address: binary.moduledata.address.to_string(),
                found_by: snake(&format!("{:?}", binary.moduledata.location)).replace('_', " "),
            },
            runtime: runtime::facts(binary),
            library_ranges: binary.library_ranges.len(),
            library_ranges_dropped: binary.library_ranges_dropped,
            functions: binary.functions.iter().map(FunctionFacts::from).collect(),
            ambiguous: binary.ambiguous.clone(),
        }
    }
}

impl From<&Function> for FunctionFacts {
    fn from(function: &Function) -> Self {
        let prologue = match function.prologue {
            Prologue::StackCheck(check) => format!("stack check, branch at +{}", check.branch),
            Prologue::NoSplit => "no stack check".to_owned(),
            Prologue::Unknown { why } => format!("unknown: {why}"),
        };
        Self {
            name: function.name.clone(),
            address: function.entry.to_string(),
            file_offset: function.file_offset.to_string(),
            length: function.end.0.saturating_sub(function.entry.0),
            prologue,
            bytes: hex(function.code.get(..32).unwrap_or(&function.code)),
        }
    }
}

impl From<&Probe> for ProbeFacts {
    fn from(probe: &Probe) -> Self {
        Self {
            family: probe.kind.family().name(),
            kind: snake(&format!("{:?}", probe.kind)),
            function: probe.function.clone(),
            file_offset: probe.offset.to_string(),
            address: probe.address.to_string(),
            runtime_address: None,
            instruction: probe.instruction,
            bytes: hex(&probe.bytes),
        }
    }
}

impl From<&Refusal> for RefusalFacts {
    fn from(refusal: &Refusal) -> Self {
        let family = refusal.subject.name();
        Self { family, reason: refusal.reason, detail: refusal.detail.clone() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `GoroutineStart` as `goroutine_start`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
