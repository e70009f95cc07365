//! The list of components: what `cargo tree` says becomes a document, what it does not say is refused. Must not know of images.

use super::*;

fn uses(found: &Components, id: &str) -> Vec<String> {
    found.get(id).unwrap_or_else(|| panic!("{id} is not in {found:?}")).uses.iter().cloned().collect()
}

#[test]
fn a_tree_becomes_components_and_what_they_use() {
    let own = root().join("agent");
    let tree = [
        format!("0goroscope v0.1.0 ({})\tApache-2.0 OR MIT\t", own.display()),
        "1axum v0.8.9\tMIT\thttps://example.org/axum".to_owned(),
        "2bytes v1.12.1\tMIT/Apache-2.0\t".to_owned(),
        "1bytes v1.12.1\tMIT/Apache-2.0\t".to_owned(),
        "1hyper v1.0.0\tMIT\t".to_owned(),
        "2axum v0.8.9\tMIT\thttps://example.org/axum (*)".to_owned(),
    ];
    let found = components(&tree.join("\n")).expect("a tree");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["axum@0.8.9", "bytes@1.12.1", "goroscope@0.1.0", "hyper@1.0.0"]);
    assert_eq!(uses(&found, "goroscope@0.1.0"), ["axum@0.8.9", "bytes@1.12.1", "hyper@1.0.0"]);
    assert_eq!(uses(&found, "axum@0.8.9"), ["bytes@1.12.1"]);
    assert_eq!(uses(&found, "hyper@1.0.0"), ["axum@0.8.9"]);
    let bytes = found.get("bytes@1.12.1").expect("bytes");
    assert_eq!((bytes.own, bytes.license.as_str()), (false, "MIT OR Apache-2.0"));
    assert!(found.get("goroscope@0.1.0").expect("the agent").own);
}

#[test]
fn what_is_not_understood_is_refused() {
    for tree in ["0a v1 (https://example.org/a#0123)\tMIT\t", "0a v1 (/elsewhere/a)\tMIT\t", "0a 1\tMIT\t", "a v1\tMIT\t", "0a v1", ""] {
        let found = components(tree);
        assert!(found.as_ref().map_or(true, BTreeMap::is_empty), "{tree}: {found:?}");
    }
}

#[test]
fn what_was_compiled_must_be_what_is_listed() {
    let bill = Bill {
        arch: Arch::Amd64,
        agent: components("0a v1.0.0\tMIT\t\n1b v2.0.0\tMIT\t").expect("a tree"),
        kernel_side: Components::new(),
    };
    let check = |ids: &[&str]| bill.check(&ids.iter().map(|&id| id.to_owned()).collect());
    check(&["a@1.0.0", "b@2.0.0"]).expect("the same");
    for (ids, told) in [(&["a@1.0.0"][..], "not compiled: [b@2.0.0]"), (&["a@1.0.0", "b@2.0.0", "b@2.0.1"][..], "not listed: [b@2.0.1]")] {
        let error = check(ids).expect_err("not the same").to_string();
        assert!(error.contains(told), "{error}");
    }
}

/// Both lists as they are now: every reference resolves, everything is used, the kernel side is in, macros are not, and no path is.
#[test]
fn the_lists_of_this_tree() {
    for arch in Arch::ALL {
        let text = Bill::new(arch).and_then(|bill| bill.text(1)).expect("a list");
        assert_eq!(text, Bill::new(arch).and_then(|bill| bill.text(1)).expect("the same list"));
        for path in [root(), &crate::paths::home()].map(|path| path.display().to_string()) {
            assert!(!text.contains(&path), "{arch:?} names {path}");
        }
        let document: Value = serde_json::from_str(&text).expect("JSON");
        let string = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(string(&document["metadata"], "timestamp").as_deref(), Some("1970-01-01T00:00:01Z"));
        let listed = document["components"].as_array().expect("components");
        let ids: BTreeSet<String> = listed.iter().map(|component| string(component, "bom-ref").expect("an id")).collect();
        assert_eq!(ids.len(), listed.len(), "an id for each");
        for component in listed {
            let own = string(component, "name").is_some_and(|name| name.starts_with("goroscope"));
            let sum = component["hashes"][0]["content"].as_str().map(str::len);
            assert_eq!(sum, (!own).then_some(64), "{component}");
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        }
        let mut used = BTreeSet::new();
        for edges in document["dependencies"].as_array().expect("dependencies") {
            used.extend(edges["dependsOn"].as_array().expect("ids").iter().filter_map(Value::as_str).map(str::to_owned));
        }
        assert_eq!(used, ids, "{arch:?}: what is listed is what something uses");
        let names: BTreeSet<&str> = ids.iter().filter_map(|id| id.split('@').next()).collect();
        for name in ["aya", "ring", "goroscope-gobin", "goroscope-abi", "goroscope-ebpf", "aya-ebpf"] {
            assert!(names.contains(name), "{arch:?} lacks {name}");
        }
        for name in ["syn", "serde_derive", "cc", "tar", "tempfile"] {
            assert!(!names.contains(name), "{arch:?} has {name}, which is not linked");
        }
    }
}
