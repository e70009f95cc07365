//! goroscope: sees inside every Go process on a host, with no code change, no rebuild and no restart.
//!
//! `attribution`, `metrics`, `admin`; `app` builds and owns them. ARCHITECTURE.md has the map.

pub mod analysis;
pub mod attribution;
pub mod budget;
pub mod discovery;
pub mod model;
pub mod tracer;
