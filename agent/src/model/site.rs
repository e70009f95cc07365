//! A place in the source of a program.

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
