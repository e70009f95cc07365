//! The `goroscope` binary.
fn main() {}
