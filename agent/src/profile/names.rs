//! Names of addresses of one process. Input nouns: addresses, a [`Stack`]. Output: frames, as Go shows them. Must not know goroutines.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use goroscope_gobin::{Frame, Pc};

use crate::{
    export::pprof::Call,
    model::{Executable, RuntimeAddress, Site, Stack},
};

/// Where every goroutine's first call returns to; Go shows it nowhere.
const BOTTOM: &str = "runtime.goexit";
/// A fault, not a call: the instruction itself is meant.
const FAULT: &str = "runtime.sigpanic";
/// Who calls a wrapper that Go does show.
const PANICS: [&str; 3] = ["runtime.gopanic", FAULT, "runtime.panicwrap"];

/// The names of one process.
pub struct Names {
    executable: Arc<Executable>,
    load_bias: u64,
    known: RefCell<HashMap<Pc, Arc<[Frame]>>>,
}

impl Names {
    /// Of a process that runs this executable, loaded this far above its ELF addresses.
    #[must_use]
    pub fn new(executable: Arc<Executable>, load_bias: u64) -> Self {
        Self { executable, load_bias, known: RefCell::default() }
    }

    /// See [`crate::model::ExecutableId::build_id`].
    #[must_use]
    pub fn build_id(&self) -> &str {
        &self.executable.id.build_id
    }

    /// The statement that returns to this address, in the function that holds it.
    pub fn site(&self, address: RuntimeAddress) -> Option<Site> {
        let frames = (address.0 != 0).then(|| self.frames(Pc::ReturnAddress(address.to_virtual(self.load_bias))))?;
        frames.first().map(|Frame { function, file, line, .. }| Site { function: function.clone(), file: file.clone(), line: *line })
    }

    /// The function that begins here.
    pub fn function(&self, address: RuntimeAddress) -> Option<String> {
        let frames = self.frames(Pc::Exact(address.to_virtual(self.load_bias)));
        frames.last().map(|frame| frame.function.clone())
    }

    /// The calls of a stack. Those without a name have no frames; Go's own wrappers are left out, as Go does.
    pub fn stack(&self, stack: &Stack) -> Vec<Call> {
        let mut calls = Vec::with_capacity(stack.calls.len());
        let mut callee = String::new();
        for address in &stack.calls {
            let at = address.to_virtual(self.load_bias);
            let pc = if callee == FAULT { Pc::Exact(at) } else { Pc::ReturnAddress(at) };
            let frames = self.frames(pc);
            let hides = |frame: &Frame| frame.wrapper || frame.function == BOTTOM;
            let shown: Arc<[Frame]> = match frames.iter().any(hides) {
                true => frames.iter().filter(|frame| !is_hidden(frame, &callee)).cloned().collect(),
                false => Arc::clone(&frames),
            };
            if let Some(frame) = frames.last() {
                callee.clone_from(&frame.function);
            }
            if !shown.is_empty() || frames.is_empty() {
                calls.push(Call { address: address.0, frames: shown });
            }
        }
        calls
    }

    fn frames(&self, pc: Pc) -> Arc<[Frame]> {
        if let Some(frames) = self.known.borrow().get(&pc) {
            return Arc::clone(frames);
        }
        let frames: Arc<[Frame]> = self.executable.binary.frames(&*self.executable, pc).unwrap_or_default().into();
        self.known.borrow_mut().insert(pc, Arc::clone(&frames));
        frames
    }
}

fn is_hidden(frame: &Frame, callee: &str) -> bool {
    frame.function == BOTTOM || (frame.wrapper && !PANICS.contains(&callee))
}
