//! Files in, executables out, nothing analysed twice. Input noun: an open file. Output noun: [`Executable`]. Must not know how
//! analysis works: that is `gobin`.

use std::{
    error::Error as _,
    fs::File,
    sync::{Arc, Weak},
    time::Duration,
};

use goroscope_gobin::{GoBinary, Limits, Source};

use super::{
    lru::Lru,
    recorder::{Reads, Recorder, Stop},
};
use crate::model::{Executable, ExecutableId, Inode, Refusal, Subject};

/// What analysis may cost.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sizes in one executable.
    pub limits: Limits,
    /// Wall clock for one executable. Large ones take tens of milliseconds from the page cache; this is for slow disks.
    pub timeout: Duration,
    /// Files remembered by inode: more than there are different programs on a busy node. About 150 bytes each.
    pub inodes: usize,
    /// Analyses remembered by content, after the last process of an executable has ended too.
    pub contents: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limits: Limits::default(), timeout: Duration::from_secs(10), inodes: 4096, contents: 64 }
    }
}

/// What analyses: `gobin`, but in tests.
type Analyse = fn(&dyn Source, &Limits) -> Result<GoBinary, goroscope_gobin::Refusal>;

/// Analyses executables and remembers the results.
///
/// Blocks while it reads: call it off the async runtime.
#[derive(Debug)]
pub struct Analyser {
    settings: Settings,
    analyse: Analyse,
    by_inode: Lru<Inode, Known>,
    by_content: Lru<ExecutableId, Arc<Analysis>>,
}

/// What an inode was found to be.
#[derive(Debug)]
enum Known {
    /// Go. Weak, since only those in use may hold a file open: open files are few, and they keep deleted ones on the disk.
    Go(Weak<Executable>),
    /// Not to be observed, by what its bytes are.
    Refused(Refusal),
}

/// Facts and what they were made of.
#[derive(Debug)]
struct Analysis {
    id: ExecutableId,
    binary: Arc<GoBinary>,
    reads: Reads,
}

impl Default for Analyser {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Analyser {
    /// An analyser that remembers nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::with(settings, goroscope_gobin::analyse)
    }

    /// For one executable that somebody waits for: it may take a minute, on a machine that does much else.
    #[must_use]
    pub fn patient() -> Self {
        Self::new(Settings { timeout: Duration::from_secs(60), ..Settings::default() })
    }

    fn with(settings: Settings, analyse: Analyse) -> Self {
        let (by_inode, by_content) = (Lru::new(settings.inodes), Lru::new(settings.contents));
        Self { settings, analyse, by_inode, by_content }
    }

    /// What the file is. The same inode gives the same `Arc` for as long as somebody holds it, and files with the same bytes
    /// share `binary`.
    ///
    /// # Errors
    /// A [`Refusal`] of everything (`family` is none): most often `not_go`. One that is no property of the bytes
    /// (`read_failed`, `analysis_timeout`, `file_changed`) is not remembered.
    pub fn analyse(&mut self, file: File) -> Result<Arc<Executable>, Refusal> {
        let inode = stat(&file)?;
        match self.by_inode.get(&inode) {
            Some(Known::Refused(refusal)) => return Err(refusal.clone()),
            Some(Known::Go(executable)) => {
                if let Some(executable) = executable.upgrade() {
                    return Ok(executable);
                }
            }
            None => {}
        }
        let analysis = match self.same_content(&file, inode.size) {
            Some(analysis) => analysis,
            None => self.fresh(&file, inode)?,
        };
        if stat(&file)? != inode {
            return Err(refusal("file_changed", "the file was written to while it was read".to_owned()));
        }
        let executable = Arc::new(Executable { id: analysis.id.clone(), inode, file, binary: Arc::clone(&analysis.binary) });
        self.by_inode.insert(inode, Known::Go(Arc::downgrade(&executable)));
        Ok(executable)
    }

    /// An earlier analysis that would read the very same bytes in this file, its build id included.
    fn same_content(&mut self, file: &File, size: u64) -> Option<Arc<Analysis>> {
        let named_alike = |id: &ExecutableId| id.size == size && !id.build_id.is_empty();
        let agrees = |analysis: &Analysis| analysis.reads.agree_with(file, self.settings.timeout);
        let found = self.by_content.iter().find(|(id, analysis)| named_alike(id) && agrees(analysis)).map(|(id, _)| id.clone())?;
        self.by_content.get(&found).map(Arc::clone)
    }

    fn fresh(&mut self, file: &File, inode: Inode) -> Result<Arc<Analysis>, Refusal> {
        let recorder = Recorder::new(file, inode.size, self.settings.timeout);
        let analysed = (self.analyse)(&recorder, &self.settings.limits);
        let stopped = recorder.stopped();
        let binary = match analysed {
            // What can do without some facts goes on when they cannot be read: another time they can.
            Ok(_) if stopped == Some(Stop::Timeout) => return Err(timed_out()),
            Ok(binary) => binary,
            Err(error) => {
                let refusal = explain(&error, stopped);
                if stopped != Some(Stop::Timeout) && !matches!(error, goroscope_gobin::Refusal::Read(_)) {
                    self.by_inode.insert(inode, Known::Refused(refusal.clone()));
                }
                return Err(refusal);
            }
        };
        let reads = recorder.finish();
        let id = ExecutableId { build_id: build_id(&binary), size: inode.size, digest: reads.digest };
        let analysis = Arc::new(Analysis { id: id.clone(), binary: Arc::new(binary), reads });
        if !id.build_id.is_empty() {
            self.by_content.insert(id, Arc::clone(&analysis));
        }
        Ok(analysis)
    }
}

fn stat(file: &File) -> Result<Inode, Refusal> {
    let metadata = file.metadata().map_err(|error| refusal("read_failed", format!("fstat: {error}")))?;
    if metadata.is_file() { Ok(Inode::from(&metadata)) } else { Err(refusal("not_a_file", "not a regular file".to_owned())) }
}

/// What names the build: Go's own id, else the external linker's.
fn build_id(binary: &GoBinary) -> String {
    let go = binary.go_build_id.clone().filter(|id| !id.is_empty());
    go.unwrap_or_else(|| binary.gnu_build_id.iter().flatten().map(|byte| format!("{byte:02x}")).collect())
}

fn explain(error: &goroscope_gobin::Refusal, stopped: Option<Stop>) -> Refusal {
    match stopped {
        Some(Stop::Timeout) => timed_out(),
        Some(Stop::TooManyReads) => refusal("too_large", "too many small reads".to_owned()),
        None => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            refusal(error.reason(), format!("{error}{cause}"))
        }
    }
}

fn timed_out() -> Refusal {
    refusal("analysis_timeout", "reading the executable took too long".to_owned())
}

fn refusal(reason: &'static str, detail: String) -> Refusal {
    Refusal { subject: Subject::All, reason, detail }
}

#[cfg(test)]
mod tests;
