//! goroscope: sees inside every Go process on a host, with no code change, no rebuild and no restart.
//!
//! Read the rooms in the order of the data: `discovery`, `analysis`, `plan`, `tracer`, `budget`, `collect`, `symbolize`,
//! `attribution`, `metrics`, `admin`; `app` builds and owns them. ARCHITECTURE.md has the map.

pub mod admin;
pub mod analysis;
pub mod app;
pub mod args;
pub mod attribution;
pub mod budget;
pub mod collect;
pub mod commands;
pub mod config;
pub mod discovery;
pub mod export;
pub mod metrics;
pub mod model;
pub mod observer;
pub mod plan;
pub mod symbolize;
pub mod telemetry;
pub mod tracer;
