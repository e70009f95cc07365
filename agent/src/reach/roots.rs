//! Where marking begins, but for goroutines, timers and specials: data of the modules. And what is never looked into.
//!
//! Input: the runtime's variables. Output: ranges and words for a [`Mark`]. Must not know who waits.

use goroscope_gobin::layout::Layout;

use super::NoProof;
use super::mark::Mark;
use super::source::Source;

/// Modules of a program: plugins have one each.
const MODULES: usize = 1024;
/// Processors. Go allows no more than 1,024 threads at once by default.
const PROCESSORS: u64 = 4096;
/// Threads that are followed.
const THREADS: usize = 65_536;
/// The largest data or bss that is believed.
const DATA: u64 = 1 << 36;

/// Where the runtime's variables are in this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variables {
    pub(super) allglen: u64,
    pub(super) allgptr: u64,
    pub(super) allp: u64,
    pub(super) sched: u64,
    pub(super) mheap: u64,
    pub(super) moduledata: u64,
    /// The lists of blocks of finalizers, and of cleanups; see [`super::queues`].
    pub(super) finalizers: u64,
    pub(super) cleanups: Option<u64>,
}

/// What is known of the runtime for all of a proof.
#[derive(Debug)]
pub(super) struct Roots<'a> {
    pub(super) layout: &'a Layout,
    pub(super) variables: Variables,
    /// `runtime.p`s.
    pub(super) processors: Vec<u64>,
    /// Parts of the data that are not looked into.
    closed: Vec<(u64, u64)>,
    /// data and bss of every module.
    data: Vec<(u64, u64)>,
}

impl<'a> Roots<'a> {
    /// Reads where everything is.
    ///
    /// # Errors
    /// A list of the runtime makes no sense.
    pub(super) fn read(source: &mut Source<'_>, layout: &'a Layout, variables: Variables) -> Result<Self, NoProof> {
        let mut roots = Self { layout, variables, processors: vec![], closed: vec![], data: vec![] };
        roots.read_modules(source)?;
        let (list, capacity) = pair(source, variables.allp, variables.allp.wrapping_add(16))?;
        if capacity > PROCESSORS {
            return Err(NoProof::Implausible { what: "allp" });
        }
        pointers(source, list, capacity, &mut |pointer| roots.processors.push(pointer))?;
        roots.closed.push((variables.mheap, variables.mheap.saturating_add(u64::from(layout.mheap.size))));
        Ok(roots)
    }

    fn read_modules(&mut self, source: &mut Source<'_>) -> Result<(), NoProof> {
        const NONSENSE: NoProof = NoProof::Implausible { what: "moduledata" };
        let layout = &self.layout.moduledata;
        let mut module = self.variables.moduledata;
        for _ in 0..MODULES {
            for (start, end) in [(layout.data, layout.edata), (layout.bss, layout.ebss)] {
                let (start, end) = pair(source, module.wrapping_add(u64::from(start)), module.wrapping_add(u64::from(end)))?;
                if start > end || end - start > DATA {
                    return Err(NONSENSE);
                }
                self.data.push((start, end));
            }
            module = source.word(module.wrapping_add(u64::from(layout.next)))?.ok_or(NONSENSE)?;
            if module == 0 {
                return Ok(());
            }
        }
        Err(NONSENSE)
    }

    /// Whether it is data of a module.
    fn is_data(&self, at: u64) -> bool {
        self.data.iter().any(|(start, end)| (*start..*end).contains(&at))
    }

    /// Closes what holds pointers that the collector knows to be old: goroutines, processors, threads and their two goroutines, the heap
    /// itself. `running` are goroutines that are on a thread.
    pub(super) fn close(&mut self, source: &mut Source<'_>, mark: &mut Mark, running: &[u64], limit: u64) -> Result<(), NoProof> {
        let (length, list) = pair(source, self.variables.allglen, self.variables.allgptr)?;
        if length > limit {
            return Err(NoProof::TooManyGoroutines { limit });
        }
        pointers(source, list, length, &mut |g| mark.close(g))?;
        for processor in &self.processors {
            mark.close(*processor);
        }
        self.close_threads(source, mark, running)
    }

    /// Threads: those of processors and of goroutines, those that are idle, and from each those that are older.
    fn close_threads(&mut self, source: &mut Source<'_>, mark: &mut Mark, running: &[u64]) -> Result<(), NoProof> {
        let (p, g, m) = (self.layout.p, self.layout.g, self.layout.m);
        let mut threads: Vec<u64> = Vec::new();
        let holders = self.processors.iter().map(|at| (*at, p.m)).chain(running.iter().map(|at| (*at, g.m)));
        for (at, field) in holders {
            threads.extend(source.word(at.wrapping_add(u64::from(field)))?);
        }
        if let Some(midle) = self.layout.sched.midle {
            threads.extend(source.word(self.variables.sched.wrapping_add(u64::from(midle)))?);
        }
        let mut known = std::collections::HashSet::new();
        while let Some(thread) = threads.pop() {
            if thread == 0 || known.len() >= THREADS || !known.insert(thread) {
                continue;
            }
            let Some(g0) = source.word(thread.wrapping_add(u64::from(m.g0)))? else { continue };
            // What does not know itself is none: closing what is not the runtime's own would hide pointers.
            if source.word(g0.wrapping_add(u64::from(g.m)))? != Some(thread) {
                continue;
            }
            for (at, size) in [(thread, m.size), (g0, g.size)] {
                mark.close(at);
                if self.is_data(at) {
                    self.closed.push((at, at.saturating_add(u64::from(size))));
                }
            }
            for field in [m.alllink, m.schedlink].into_iter().flatten() {
                threads.extend(source.word(thread.wrapping_add(u64::from(field)))?);
            }
            let gsignal = source.word(thread.wrapping_add(u64::from(m.gsignal)))?.unwrap_or(0);
            if gsignal != 0 && source.word(gsignal.wrapping_add(u64::from(g.m)))? == Some(thread) {
                mark.close(gsignal);
            }
        }
        Ok(())
    }

    /// Bytes of data and bss of every module.
    pub(super) fn data_bytes(&self) -> u64 {
        self.data.iter().map(|(start, end)| end - start).sum()
    }

    /// data and bss of every module, without what is closed.
    pub(super) fn mark_data(&mut self, mark: &mut Mark) {
        self.closed.sort_unstable();
        self.closed.dedup();
        for &(start, end) in &self.data {
            let mut at = start;
            for &(from, to) in self.closed.iter().filter(|(from, to)| *to > start && *from < end) {
                mark.range(at, from.max(at));
                at = at.max(to);
            }
            mark.range(at, end.max(at));
        }
    }
}

/// Two words, read one after the other from memory as it is now.
pub(super) fn pair(source: &mut Source<'_>, first: u64, second: u64) -> Result<(u64, u64), NoProof> {
    source.forget();
    match (source.word(first)?, source.word(second)?) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => Err(NoProof::Implausible { what: "variables" }),
    }
}

/// The words of a list that are not 0. What is not there is left out.
pub(super) fn pointers(source: &mut Source<'_>, list: u64, length: u64, each: &mut dyn FnMut(u64)) -> Result<(), NoProof> {
    let Some(end) = length.checked_mul(8).and_then(|bytes| list.checked_add(bytes)) else { return Ok(()) };
    source.words([((), list, end)], &mut |(), word| each(word))
}
