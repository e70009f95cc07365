//! Real executables, and files that are none.

use std::fs;

use super::*;
use crate::model::testing;

#[test]
fn a_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a program");
    testing::executable("plain", &path);
    let inspection = look(path.to_str().unwrap(), &ProcRoot::default()).unwrap();
    assert_eq!(inspection.families, ["goroutine", "map", "timer"]);
    let text = show::text(&inspection);
    for expected in [
        "a program\n",
        "Go version",
        "(from build info)",
        "stripped",
        "runtime.newproc1",
        "push rbp",
        "goroutine_start",
        "Counted: goroutine, map, timer.",
        "layout from table",
        "runtime.allglen",
        "runtime.mheap_",
        "CGO_ENABLED",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let json = serde_json::to_value(&inspection).unwrap();
    let probe = &json["probes"][0];
    let bytes = fs::read(&path).unwrap();
    let offset = usize::from_str_radix(probe["file_offset"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(probe["bytes"].as_str().unwrap().starts_with("554889e5"), "{probe}");
    assert_eq!(bytes[offset..offset + 4], [0x55, 0x48, 0x89, 0xe5]);
    assert_eq!(json["executable"]["settings"]["CGO_ENABLED"], "0");
    let runtime = &json["executable"]["runtime"];
    assert_eq!((&runtime["layout"], &runtime["reason"]), (&"table".into(), &serde_json::Value::Null));
    assert!(runtime["variables"]["semtable"].as_str().unwrap().starts_with("0x"), "{runtime}");
    assert_eq!(json["process"], serde_json::Value::Null);
}

#[test]
fn a_process() {
    // A process that does not end before it was looked at: it waits for its input to be closed.
    let mut child = std::process::Command::new(testing::path("plain")).arg("wait").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let inspection = look(&child.id().to_string(), &ProcRoot::default());
    drop(child.stdin.take());
    child.wait().unwrap();
    let inspection = inspection.unwrap();
    let process = inspection.process.as_ref().unwrap();
    assert_eq!((process.process.as_str(), process.load_bias.as_deref()), ("plain", Some("0x0")));
    assert_eq!(inspection.probes[0].runtime_address.as_ref(), Some(&inspection.probes[0].address));
    assert!(show::text(&inspection).contains("load bias"));
}

#[test]
fn no_go() {
    let me = look(&std::process::id().to_string(), &ProcRoot::default()).unwrap();
    assert!(me.families.is_empty() && me.process.is_some());
    assert_eq!((me.refusals[0].family, me.refusals[0].reason), ("all", "not_go"));
    assert!(show::text(&me).ends_with("Nothing of it is counted.\n"));
    assert!(look("/does/not/exist", &ProcRoot::default()).is_err());
    assert_eq!(look("/dev/null", &ProcRoot::default()).unwrap().refusals[0].reason, "not_a_file");
    let nobody = look("4294967295", &ProcRoot::default()).unwrap_err();
    assert!(format!("{nobody:#}").contains("gone"), "{nobody:#}");
}
