//! `cargo xtask COMMAND`: the project's chores.
fn main() {}
