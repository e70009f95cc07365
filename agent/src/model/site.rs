//! A place in the source of a program.

use std::path::Path;

/// The statement that made something: where a `go` statement, a map write or a timer's start stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The function that holds the statement, also where it was inlined into another.
    pub function: String,
    /// Source file as the compiler recorded it; `?` if unknown.
    pub file: String,
    /// Line of the statement; 0 if unknown.
    pub line: u32,
}

impl Site {
    /// `dir/file.go:line`: the last folder, the file, the line.
    #[must_use]
    pub fn place(&self) -> String {
        let path = Path::new(&self.file);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        match path.parent().and_then(Path::file_name) {
            Some(folder) => format!("{}/{file}:{}", folder.to_string_lossy(), self.line),
            None => format!("{file}:{}", self.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let check =
            |file: &str, expected: &str| assert_eq!(Site { function: String::new(), file: file.to_owned(), line: 7 }.place(), expected);
        check("/home/a/leak/main.go", "leak/main.go:7");
        check("net/http/transport.go", "http/transport.go:7");
        check("main.go", "main.go:7");
        check("./main.go", "main.go:7");
        check("/main.go", "main.go:7");
        check("", ":7");
        check("?", "?:7");
    }
}
