//! goroscope: sees inside every Go process on a host, with no code change, no rebuild and no restart.
//!
//! Read the rooms in the order of the data: `discovery`, `attribution`, `analysis`, `plan`, `tracer`, `budget`, `symbolize`,
//! `collect`, `metrics`, `export`, `admin`. `observer` is the loop that moves the data from one to the next; `app` builds and
//! owns everything. ARCHITECTURE.md has the map.

pub mod admin;
pub mod alert;
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
pub mod goruntime;
pub mod growth;
pub mod k8s;
pub mod looks;
pub mod metrics;
pub mod model;
pub mod observer;
pub mod otlp;
pub mod plan;
pub mod post;
pub mod profile;
pub mod reach;
pub mod snapshots;
pub mod symbolize;
pub mod telemetry;
pub mod tracer;
pub mod view;
