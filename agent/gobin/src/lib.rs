//! Bytes of a Go executable in, facts out.
#![forbid(unsafe_code)]
