//! Rules about single lines: module docs, unfinished code, sleeps in tests, paths of somebody's machine.

use super::{Finding, Source};

pub(super) fn check(source: &Source, found: &mut Vec<Finding>) {
    module_doc(source, found);
    unfinished(source, found);
    sleeps(source, found);
}

/// Every file starts with what it is.
fn module_doc(source: &Source, found: &mut Vec<Finding>) {
    let first = source.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    if !first.is_some_and(|line| line.starts_with("//! ")) {
        found.push(source.at(0, "a `//!` line is expected first: what the file is, its input and output noun, what it must not know"));
    }
}

/// Nothing is left undone, and no test is switched off.
fn unfinished(source: &Source, found: &mut Vec<Finding>) {
    for (number, line) in source.code.lines().enumerate() {
        for word in ["todo!", "unimplemented!", "#[ignore"] {
            if line.contains(word) {
                found.push(source.at(number, format!("`{word}`: finish it, or make it an issue")));
            }
        }
    }
}

/// Tests wait for something that they can name.
fn sleeps(source: &Source, found: &mut Vec<Finding>) {
    let tests = test_start(source);
    let lines: Vec<&str> = source.text.lines().collect();
    for (number, line) in source.code.lines().enumerate().skip(tests) {
        let says_why = |number: usize| lines.get(number).is_some_and(|line| line.contains("// wait: "));
        let why = says_why(number) || number.checked_sub(1).is_some_and(says_why);
        if calls_sleep(line) && !why {
            found.push(
                source.at(number, "sleep in a test: wait for an event, or say `// wait: <what cannot be waited for otherwise>` above"),
            );
        }
    }
}

fn calls_sleep(line: &str) -> bool {
    let before = |at: usize| line.get(..at).and_then(|before| before.chars().next_back());
    line.match_indices("sleep(").any(|(at, _)| before(at).is_none_or(|c| !c.is_alphanumeric() && c != '_'))
}

/// The line, counted from 0, at which the file's tests begin.
fn test_start(source: &Source) -> usize {
    let path = &source.path;
    if path.contains("/tests/") || path.ends_with("/tests.rs") {
        return 0;
    }
    source.code.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX)
}

/// No path of the machine where something was written.
pub(super) fn machine_paths(source: &Source, found: &mut Vec<Finding>) {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "bash")];
    for (number, line) in source.text.lines().enumerate() {
        for path in paths.iter().filter(|path| line.match_indices(**path).any(|(at, _)| starts_a_path(line, at))) {
            found.push(source.at(number, format!("`{path}`: a path of one machine")));
        }
    }
}

/// Whether the slash at `at` is a path's first character: /proc/PID/root/ has another before it.
fn starts_a_path(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|before| before.chars().next_back());
    before.is_none_or(|c| c.is_whitespace() || "\"'`(=:,[<|".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str, expected: &[usize]) {
        let source = Source::new(path, text.to_owned());
        let mut found = vec![];
        check(&source, &mut found);
        machine_paths(&source, &mut found);
        let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text}: {found:?}");
    }

    #[test]
    fn a_module_doc_comes_first() {
        check_text("a.rs", "//! What.\nfn f() {}\n", &[]);
        check_text("a.rs", "#![no_std]\n//! What.\n", &[]);
        check_text("a.rs", "use std::fs;\n//! What.\n", &[1]);
        check_text("a.rs", "", &[1]);
    }

    #[test]
    fn nothing_is_left_undone() {
        check_text("a.rs", "//! What.\nfn f() { todo!() }\n#[ignore]\nfn g() { unimplemented!() }\n", &[2, 3, 4]);
        check_text("a.rs", "//! What.\nconst A: &str = \"todo!\"; // todo!\n", &[]);
    }

    #[test]
    fn tests_do_not_sleep() {
        check_text("agent/tests/a.rs", "//! What.\nsleep(1);\n", &[2]);
        check_text("agent/tests/a.rs", "//! What.\n// wait: the kernel frees it later\nsleep(1);\n", &[]);
        check_text("agent/src/a.rs", "//! What.\nsleep(1);\n#[cfg(test)]\nmod tests {\n  sleep(1);\n}\n", &[5]);
        check_text("agent/src/a/tests.rs", "//! What.\nthread::sleep(x);\n", &[2]);
    }

    #[test]
    fn no_path_of_a_machine() {
        let (work, root) = (concat!("/wo", "rk/"), concat!("/ro", "ot/"));
        check_text("a.rs", &format!("//! What.\n// see {work}x\nf(\"{root}.x\");\n"), &[2, 3]);
        check_text("a.rs", &format!("//! What.\n// /proc/PID{root}etc and /net{work}\n"), &[]);
    }
}
