//! Which frame is the statement; and addresses of a real executable.

use super::*;
use crate::model::testing;

#[test]
fn the_first_frame_outside_of_the_library() {
    let frame = |(line, function): (u32, &&str)| Frame {
        function: (*function).to_owned(),
        file: "a.go".to_owned(),
        line,
        inlined: false,
        wrapper: false,
    };
    for (functions, expected) in [
        (["main.f"].as_slice(), Some("main.f")),
        (&["time.After", "main.f"], Some("main.f")),
        (&["context.WithTimeout", "internal/x.Y", "example.com/a.(*T).Do", "main.f"], Some("example.com/a.(*T).Do")),
        (&["time.goFunc", "runtime.unlockAndRun"], Some("time.goFunc")),
        (&[], None),
    ] {
        let site = choose((0..).zip(functions).map(frame).collect(), Whose::Program);
        assert_eq!(site.map(|site| site.function).as_deref(), expected);
    }
    for (functions, waiting, passing) in [
        (["sync.(*Mutex).Lock", "os/exec.(*Cmd).Wait", "main.f"].as_slice(), "main.f", "os/exec.(*Cmd).Wait"),
        (&["runtime.selectgo", "os/exec.(*Cmd).watchCtx"], "runtime.selectgo", "os/exec.(*Cmd).watchCtx"),
        (&["runtime.gopark", "time.Sleep"], "runtime.gopark", "runtime.gopark"),
    ] {
        let chosen = |whose| choose((0..).zip(functions).map(frame).collect(), whose).unwrap().function;
        assert_eq!((chosen(Whose::Waiting).as_str(), chosen(Whose::Passing).as_str()), (waiting, passing));
    }
    let long = choose(vec![frame((0, &"é".repeat(2000).as_str()))], Whose::Holder).unwrap();
    assert_eq!(long.function.len(), NAME_LIMIT);
}

#[test]
fn a_real_executable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    testing::executable("plain", &path);
    let executable = Arc::new(testing::open(&path));
    let symbolizer = Symbolizer::new(Arc::clone(&executable));
    let write = testing::call("runtime.mapassign_faststr", &executable);
    let site = symbolizer.site(write).unwrap();
    assert_eq!((site.function.as_str(), site.line), ("main.inlined", 27));
    assert!(site.file.ends_with("main.go"), "{}", site.file);
    assert!(Arc::ptr_eq(&site, &symbolizer.site(write).unwrap()));
    // Inside of the library all frames are the library's.
    let newproc = executable.binary.find("runtime.newproc1").unwrap();
    assert_eq!(symbolizer.site(VirtualAddress(newproc.entry.0 + 1)).unwrap().function, "runtime.newproc1");
    assert_eq!(symbolizer.site(VirtualAddress(0)), Err(NoSite::NotInText));
    assert_eq!(symbolizer.site(VirtualAddress(u64::MAX)), Err(NoSite::NotInText));
}

#[test]
fn memory_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    testing::executable("plain", &path);
    let executable = Arc::new(testing::open(&path));
    let symbolizer = Symbolizer::new(executable);
    for address in 0..CACHED as u64 + 10 {
        assert_eq!(symbolizer.site(VirtualAddress(address)), Err(NoSite::NotInText));
    }
    assert!(symbolizer.known.lock().unwrap().len() <= CACHED);
}
