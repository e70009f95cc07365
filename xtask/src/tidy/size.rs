//! Rules about length: files and functions that one can take in.

use super::{Findings, Source};

/// Lines that are reported, and lines that are refused.
struct Limit {
    soft: usize,
    hard: usize,
}

const FILE: Limit = Limit { soft: 400, hard: 600 };
const FUNCTION: Limit = Limit { soft: 50, hard: 120 };
const KERNEL_FUNCTION: Limit = Limit { soft: 30, hard: 120 };

pub(super) fn check(source: &Source, found: &mut Findings) {
    weigh(source, 0, "file", source.text.lines().count(), &FILE, found);
    let limit = if source.path.starts_with("ebpf/src/") { KERNEL_FUNCTION } else { FUNCTION };
    for Function { name, line, length } in functions(&source.code) {
        weigh(source, line, &format!("fn {name}"), length, &limit, found);
    }
}

fn weigh(source: &Source, line: usize, what: &str, length: usize, limit: &Limit, found: &mut Findings) {
    let Limit { soft, hard } = limit;
    if length > *hard {
        found.errors.push(source.at(line, format!("{what} has {length} lines, {hard} is the limit: split it along nouns")));
    } else if length > *soft {
        found.warnings.push(source.at(line, format!("{what} has {length} lines, {soft} is usual")));
    }
}

struct Function {
    name: String,
    line: usize,
    length: usize,
}

/// The functions with a body in blanked code.
fn functions(code: &str) -> Vec<Function> {
    code.match_indices("fn ").filter(|&(at, _)| is_word_start(code, at)).filter_map(|(at, _)| function(code, at)).collect()
}

fn is_word_start(code: &str, at: usize) -> bool {
    let before = code.get(..at).and_then(|before| before.chars().next_back());
    before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

/// The function whose `fn` is at `at`; none when it has no body.
fn function(code: &str, at: usize) -> Option<Function> {
    let rest = code.get(at..)?;
    let name: String = rest.get(3..)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let (mut depth, mut parentheses) = (0_i32, 0_i32);
    for (end, c) in rest.char_indices() {
        match c {
            '(' | '[' => parentheses += 1,
            ')' | ']' => parentheses -= 1,
            ';' if depth == 0 && parentheses == 0 => return None,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if c == '}' && depth == 0 && parentheses == 0 {
            let lines = |text: &str| text.matches('\n').count();
            return Some(Function { name, line: lines(code.get(..at)?), length: lines(rest.get(..end)?) + 1 });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> (usize, usize) {
        let mut found = Findings::default();
        check(&Source::new(path, text.to_owned()), &mut found);
        (found.errors.len(), found.warnings.len())
    }

    fn body(lines: usize) -> String {
        format!("trait T {{ fn g(&self) -> [u8; 2]; }}\nfn f(x: [u8; 2]) {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn functions_are_measured() {
        for (lines, expected) in [(50, (0, 0)), (51, (0, 1)), (120, (0, 1)), (121, (1, 0))] {
            assert_eq!(found("agent/src/a.rs", &body(lines)), expected, "{lines}");
        }
        assert_eq!(found("ebpf/src/a.rs", &body(31)), (0, 1));
    }

    #[test]
    fn files_are_measured() {
        for (lines, expected) in [(400, (0, 0)), (401, (0, 1)), (601, (1, 0))] {
            assert_eq!(found("agent/src/a.rs", &"const A: u8 = 0;\n".repeat(lines)), expected, "{lines}");
        }
    }
}
