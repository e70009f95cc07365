//! What `inspect` tells, for people. Input noun: [`Inspection`]. Output: text. Must not know executables.

use super::{
    super::text::{harmless, table},
    facts::{ExecutableFacts, Inspection},
    runtime::RuntimeFacts,
};

/// Characters of a value that others chose.
const VALUE: usize = 160;

/// The text form.
pub(super) fn text(inspection: &Inspection) -> String {
    let mut out = harmless(&inspection.path, 4096);
    out.push('\n');
    let mut rows = Vec::new();
    if let Some(process) = &inspection.process {
        rows.push(row("pid", process.pid.map(|pid| pid.to_string())));
        rows.push(row("process", Some(process.process.clone())));
        rows.push(row("container", process.container.clone()));
        rows.push(row("unit", process.unit.clone()));
        rows.push(row("load bias", process.load_bias.clone()));
    }
    if let Some(executable) = &inspection.executable {
        rows.extend(executable_rows(executable));
    }
    out += &table(&rows.into_iter().flatten().collect::<Vec<_>>(), 2);
    if let Some(executable) = &inspection.executable {
        out += &section("build settings", &settings(executable));
        out += &section("runtime variables", &variables(executable));
        out += &section("functions found", &functions(executable));
    }
    out += &section("probes", &probes(inspection));
    let refusals = inspection.refusals.iter().map(|refusal| {
        let detail = harmless(&refusal.detail, 1024);
        vec![refusal.family.to_owned(), refusal.reason.to_owned(), detail]
    });
    out += &section("refused", &refusals.collect::<Vec<_>>());
    out += "\n";
    out += &match inspection.families.as_slice() {
        [] => "Nothing of it is counted.\n".to_owned(),
        families => format!("Counted: {}.\n", families.join(", ")),
    };
    out
}

fn row(name: &str, value: Option<String>) -> Option<Vec<String>> {
    Some(vec![name.to_owned(), harmless(&value?, VALUE)])
}

fn section(title: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() { String::new() } else { format!("\n{title}\n{}", table(rows, 2)) }
}

fn executable_rows(executable: &ExecutableFacts) -> Vec<Option<Vec<String>>> {
    let either = |yes: bool, one: &'static str, other: &'static str| if yes { one } else { other };
    let linked = [
        either(executable.position_independent, "position-independent", "fixed address"),
        either(executable.dynamic, "dynamic loader", "static"),
        either(executable.stripped, "stripped", "with symbols"),
        either(executable.section_headers, "with section headers", "no section headers"),
    ];
    let module = executable.module.as_ref().map(|path| format!("{path} {}", executable.module_version.as_deref().unwrap_or_default()));
    let mut library = format!("{} ranges", executable.library_ranges);
    if executable.library_ranges_dropped > 0 {
        library += &format!(", {} small ones left out", executable.library_ranges_dropped);
    }
    vec![
        row("Go version", Some(format!("{} (from {})", executable.go_version, executable.go_version_found_in))),
        row("architecture", Some(executable.arch.to_owned())),
        row("module", module),
        row("package", executable.package.clone()),
        row("dependencies", executable.dependencies.map(|count| count.to_string())),
        row("Go build id", Some(executable.go_build_id.clone().unwrap_or_else(|| "none".to_owned()))),
        row("GNU build id", executable.gnu_build_id.clone()),
        row("size", Some(format!("{} bytes", executable.size))),
        row("digest", Some(executable.digest.clone())),
        row("linked", Some(linked.join(", "))),
        row("entry", Some(executable.entry.clone())),
        row(
            "pclntab",
            Some(format!(
                "{} functions at {}, found by {}",
                executable.functions_in_pclntab, executable.pclntab.address, executable.pclntab.found_by
            )),
        ),
        row("moduledata", Some(format!("{}, found by {}", executable.moduledata.address, executable.moduledata.found_by))),
        row("runtime memory", Some(runtime(executable))),
        row("library text", Some(library)),
    ]
}

fn runtime(executable: &ExecutableFacts) -> String {
    match &executable.runtime {
        RuntimeFacts { layout: Some(layout), .. } => format!("layout from {layout}"),
        RuntimeFacts { reason, detail, .. } => {
            format!("cannot be read: {}: {}", reason.unwrap_or_default(), detail.as_deref().unwrap_or_default())
        }
    }
}

fn variables(executable: &ExecutableFacts) -> Vec<Vec<String>> {
    let variables = executable.runtime.variables.iter();
    variables.map(|(name, address)| vec![format!("runtime.{name}"), address.clone().unwrap_or_else(|| "not found".to_owned())]).collect()
}

fn settings(executable: &ExecutableFacts) -> Vec<Vec<String>> {
    executable.settings.iter().take(64).map(|(key, value)| vec![harmless(key, VALUE), harmless(value, VALUE)]).collect()
}

fn functions(executable: &ExecutableFacts) -> Vec<Vec<String>> {
    let found = executable.functions.iter().map(|function| {
        let name = harmless(&function.name, VALUE);
        vec![name, function.address.clone(), format!("{} bytes", function.length), function.prologue.clone()]
    });
    let ambiguous = executable.ambiguous.iter().map(|name| vec![harmless(name, VALUE), "several bodies".to_owned()]);
    found.chain(ambiguous).collect()
}

fn probes(inspection: &Inspection) -> Vec<Vec<String>> {
    let header = ["family", "kind", "function", "file offset", "ELF address", "instruction", "bytes"].map(str::to_owned).to_vec();
    let rows = inspection.probes.iter().map(|probe| {
        vec![
            probe.family.to_owned(),
            probe.kind.clone(),
            harmless(&probe.function, VALUE),
            probe.file_offset.clone(),
            probe.address.clone(),
            probe.instruction.to_owned(),
            probe.bytes.clone(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() { rows } else { std::iter::once(header).chain(rows).collect() }
}
