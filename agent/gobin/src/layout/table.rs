//! The tables of this repository: `layouts/*.txt`, one struct each, a column for each minor version of Go 1.
//!
//! Input noun: version and architecture. Output noun: [`Offsets`]. Must not know where the tables come from (`cargo xtask offsets`).

use std::{collections::HashMap, sync::LazyLock};

use super::Offsets;
use crate::{Arch, GoVersion};

macro_rules! tables {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../layouts/", $name, ".txt")))),*] };
}

const TABLES: [(&str, &str); 27] = tables![
    "runtime.cleanupQueue",
    "runtime.consistentHeapStats",
    "runtime.g",
    "runtime.gList",
    "runtime.gcControllerState",
    "runtime.gobuf",
    "runtime.hchan",
    "runtime.heapStatsDelta",
    "runtime.m",
    "runtime.mheap",
    "runtime.moduledata",
    "runtime.mspan",
    "runtime.mstats",
    "runtime.mutex",
    "runtime.notifyList",
    "runtime.p",
    "runtime.pollDesc",
    "runtime.schedt",
    "runtime.semaRoot",
    "runtime.special",
    "runtime.specialCleanup",
    "runtime.specialfinalizer",
    "runtime.sudog",
    "runtime.timeHistogram",
    "runtime.timer",
    "runtime.timerWhen",
    "runtime.timers",
];

/// Why the tables do not hold for a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No column for it.
    #[error("there is no table for Go 1.{0}")]
    Version(u16),
    /// Built with an experiment that may move fields, and that there is no column for.
    #[error("there is no table for Go 1.{minor} with GOEXPERIMENT {experiment}")]
    Experiment {
        /// The version.
        minor: u16,
        /// The experiment, as in the version text.
        experiment: String,
    },
}

/// Experiments that leave the structs of the tables alone: they change the language, libraries, code, or other structs. Compared by DWARF,
/// in a release that has each; agent/tests/memory.rs holds some against the programs' own word.
const HARMLESS: [&str; 21] = [
    "boringcrypto",
    "jsonv2",
    "rangefunc",
    "aliastypeparams",
    "noaliastypeparams",
    "loopvar",
    "arenas",
    "coverageredesign",
    "synctest",
    "fieldtrack",
    "cgocheck2",
    "heapminimum512kib",
    "noswissmap",
    "nosynchashtriemap",
    "mapsplitgroup",
    "goroutineleakprofile",
    "nosizespecializedmalloc",
    "norandomizedheapbase64",
    "runtimesecret",
    "nodwarf5",
    "simd",
];

/// One column of all tables.
struct Column {
    name: String,
    minor: String,
    arch: Arch,
}

type Rows = HashMap<&'static str, HashMap<&'static str, HashMap<&'static str, Option<u32>>>>;

/// Struct, field (with `@arm64` where that differs), column.
static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    TABLES
        .iter()
        .map(|(name, text)| {
            let mut lines = text.lines().filter(|line| !line.starts_with('#'));
            let columns: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().skip(1).collect();
            let rows = lines.filter_map(|line| {
                let mut cells = line.split_whitespace();
                let field = cells.next()?;
                // `?` stands for the column without the experiment.
                let values = columns.iter().copied().zip(cells).filter(|(_, cell)| *cell != "?");
                Some((field, values.map(|(column, cell)| (column, cell.parse().ok())).collect()))
            });
            (*name, rows.collect())
        })
        .collect()
});

/// The offsets of a version as the tables have them.
///
/// # Errors
/// There is no column for it: unknown layouts are not guessed.
pub fn tabled(version: &GoVersion, arch: Arch) -> Result<impl Offsets + use<>, TableError> {
    let minor = version.minor.to_string();
    let has = |column: &str| ROWS.values().any(|rows| rows.values().any(|row| row.contains_key(column)));
    if !has(&minor) {
        return Err(TableError::Version(version.minor));
    }
    let mut name = minor.clone();
    for experiment in version.experiments.iter().filter(|experiment| !HARMLESS.contains(&experiment.as_str())) {
        name = format!("{name}+{experiment}");
        if !has(&name) {
            return Err(TableError::Experiment { minor: version.minor, experiment: experiment.clone() });
        }
    }
    Ok(Column { name, minor, arch })
}

/// The offsets of a version as they are without any experiment; `None` where there is no column.
pub(crate) fn without_experiments(version: &GoVersion, arch: Arch) -> impl Offsets + use<> {
    let minor = version.minor.to_string();
    Column { name: minor.clone(), minor, arch }
}

/// Whether a version's table has that struct. Of one without a column: it may.
pub(crate) fn has_struct(version: &GoVersion, of: &str) -> bool {
    let minor = version.minor.to_string();
    let size = ROWS.get(of).and_then(|rows| rows.get("sizeof")).and_then(|row| row.get(minor.as_str()));
    size.is_none_or(Option::is_some)
}

impl Offsets for Column {
    fn offset(&self, of: &str, field: &str) -> Option<u32> {
        let rows = ROWS.get(of)?;
        let foreign = (self.arch == Arch::Arm64).then(|| rows.get(format!("{field}@arm64").as_str())).flatten();
        let row = foreign.or_else(|| rows.get(field))?;
        *row.get(self.name.as_str()).or_else(|| row.get(self.minor.as_str()))?
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Layout, *};
    use crate::{MAX_MINOR, MIN_MINOR};

    #[test]
    fn every_version_has_every_struct() {
        for minor in MIN_MINOR..=MAX_MINOR {
            for arch in [Arch::Amd64, Arch::Arm64] {
                let version = GoVersion::parse(&format!("go1.{minor}.1")).unwrap();
                let layout = Layout::read(&tabled(&version, arch).unwrap()).unwrap();
                assert_eq!(layout.timers.is_some(), minor >= 23);
                assert_eq!(layout.g.parent_goid.is_some(), minor >= 21);
            }
        }
    }

    #[test]
    fn every_struct_has_a_table() {
        let tables: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
        let mut structs: Vec<&str> = super::super::FIELDS.iter().map(|(name, _)| *name).collect();
        structs.sort_unstable();
        assert_eq!(tables, structs);
        for (of, fields) in super::super::FIELDS {
            assert!(fields.iter().all(|field| ROWS[of].contains_key(field)), "{of}: run cargo xtask offsets");
        }
    }

    #[test]
    fn experiments_have_columns_of_their_own_or_are_refused() {
        let check = |text: &str, expected: Result<Option<u32>, &str>| {
            let found = tabled(&GoVersion::parse(text).unwrap(), Arch::Amd64);
            let found = found.map(|offsets| offsets.offset("runtime.p", "goroutinesCreated")).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        };
        check("go1.26.6", Ok(Some(13792)));
        check("go1.26.6-X:nogreenteagc", Ok(Some(9536)));
        check("go1.26.6-X:jsonv2", Ok(Some(13792)));
        check("go1.25.5", Ok(None));
        check("go1.25.5 X:greenteagc", Err("there is no table for Go 1.25 with GOEXPERIMENT greenteagc"));
        check("go1.26.6-X:brandnew", Err("there is no table for Go 1.26 with GOEXPERIMENT brandnew"));
    }
}
