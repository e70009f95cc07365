//! Rules about `unsafe`: only in the rooms that may, and never without the reason why it is sound.

use super::{Finding, Source};

/// Where unsafe code may be.
const ROOMS: [&str; 5] = ["ebpf/abi/", "ebpf/src/", "agent/src/tracer", "agent/src/goruntime", "agent/gobin/fuzz/"];
/// A reason may stand this many lines of the same statement above the word.
const REACH: usize = 3;

pub(super) fn check(source: &Source, found: &mut Vec<Finding>) {
    let may = ROOMS.iter().any(|room| source.path.starts_with(room));
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in source.code.lines().enumerate().filter(|(_, line)| is_unsafe(line)) {
        if !may {
            found.push(source.at(number, "unsafe outside ebpf, abi, tracer and goruntime"));
        }
        let is_attribute = line.contains("#[unsafe(") || line.contains("#![unsafe(");
        if !is_attribute && !has_reason(&lines, number) {
            found.push(source.at(number, "unsafe without a `// SAFETY:` line (or `# Safety` in the docs of an unsafe fn) above"));
        }
    }
}

fn is_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

/// Whether the line, its comments above or the few lines of its statement say why.
fn has_reason(lines: &[&str], number: usize) -> bool {
    let says = |line: &str| line.contains("SAFETY:") || line.contains("# Safety");
    let mut code_lines = 0;
    for line in lines.iter().take(number + 1).rev().map(|line| line.trim()) {
        if says(line) {
            return true;
        }
        let is_comment = line.starts_with("//") || line.starts_with("#[");
        code_lines += usize::from(!is_comment);
        if line.is_empty() || code_lines > REACH {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, expected: usize) {
        let mut found = vec![];
        check(&Source::new(path, text.to_owned()), &mut found);
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }

    #[test]
    fn reasons_are_wanted() {
        check_text("agent/src/tracer/a.rs", "let x = unsafe { f() };\n", 1);
        check_text("agent/src/tracer/a.rs", "// SAFETY: f has no precondition.\nlet x = unsafe { f() };\n", 0);
        check_text("agent/src/tracer/a.rs", "// SAFETY: sound.\n// Really.\nlet x = g(\n    unsafe { f() },\n);\n", 0);
        check_text("agent/src/tracer/a.rs", "// SAFETY: sound.\nf();\n\nunsafe { g() }\n", 1);
        check_text("ebpf/src/a.rs", "/// # Safety\n/// The slot is ours.\n#[inline]\nunsafe fn f() {}\n", 0);
        check_text("ebpf/src/a.rs", "#[unsafe(no_mangle)]\nstatic A: u8 = 0;\n", 0);
    }

    #[test]
    fn only_some_rooms_may() {
        check_text("agent/src/plan/a.rs", "// SAFETY: sound.\nunsafe { f() }\n", 1);
        check_text("agent/src/plan/a.rs", "#![forbid(unsafe_code)] // unsafe\n", 0);
    }
}
