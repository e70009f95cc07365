//! What a function's name says. Input noun: a name from pclntab. Output noun: its package. Must not know tables.

/// Whether a function belongs to the part of the standard library that works on behalf of its caller: `runtime`, `time`,
/// `context`, `reflect`, `internal/...`, what is below them, and what the compiler generates for types (`go:`, `type:`).
#[must_use]
pub fn is_library_function(name: &str) -> bool {
    is_library(name.as_bytes())
}

/// Whether a function only passes on a wait of its caller: what [`is_wait`] says, and `net`, `os`, `os/exec`, `bufio` and `syscall`
/// themselves, which read, write and wait for others.
#[must_use]
pub fn passes_waits_on(name: &str) -> bool {
    let others = |package: &[u8]| matches!(package, b"net" | b"bufio" | b"syscall" | b"os" | b"os/exec");
    is_wait(name) || package(name.as_bytes()).is_some_and(others)
}

/// Whether a function is what waits are made of: `runtime`, `sync`, `time`, `internal/...` and what is below them.
#[must_use]
pub fn is_wait(name: &str) -> bool {
    let Some(package) = package(name.as_bytes()) else { return false };
    let first = package.split(|byte| *byte == b'/').next().unwrap_or_default();
    match first {
        b"runtime" | b"sync" | b"time" => true,
        b"internal" => package.len() > first.len(),
        _ => false,
    }
}

/// As [`is_library_function`]; a name cut after its package is enough.
pub(crate) fn is_library(name: &[u8]) -> bool {
    // `type:.eq.T` since Go 1.20, `type..eq.T` before; `go:buildid` and `go.buildid` likewise. `:` and `..` cannot be in a package.
    let generated: [&[u8]; 5] = [b"go:", b"type:", b"type..", b"go.buildid", b"go.(*struct"];
    if generated.iter().any(|prefix| name.starts_with(prefix)) {
        return true;
    }
    let Some(package) = package(name) else { return false };
    let first = package.split(|byte| *byte == b'/').next().unwrap_or_default();
    match first {
        b"runtime" | b"time" | b"context" | b"reflect" => true,
        b"internal" => package.len() > first.len(),
        _ => false,
    }
}

/// The import path: up to the first dot behind the last slash. Dots of its last element are escaped as `%2e`, and slashes in
/// type arguments and receivers are no part of it.
fn package(name: &[u8]) -> Option<&[u8]> {
    let head = name.split(|byte| matches!(byte, b'[' | b'(' | b'{' | b' ')).next()?;
    let element = head.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let dot = head.get(element..)?.iter().position(|byte| *byte == b'.')?;
    head.get(..element + dot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_functions() {
        for name in [
            "runtime.newproc",
            "runtime/debug.Stack",
            "runtime/pprof.(*Profile).Add",
            "time.Sleep",
            "time.(*Timer).Stop",
            "time/tzdata.init",
            "context.WithCancel.func1",
            "reflect.Value.SetMapIndex",
            "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Swap",
            "internal/runtime/maps.(*Map).Delete",
            "type:.eq.main.key",
            "type..eq.[2]string",
            "go:buildid",
            "go.buildid",
            "internal/sync.(*HashTrieMap[github.com/a/b.T]).Load",
        ] {
            check(name, true);
        }
        for name in [
            "main.main",
            "sync.(*Map).Store",
            "time.example.com/thing.Do",
            "runtimes.Do",
            "github.com/a/runtime.Do",
            "example.com/internal/x.Do",
            "internal.Do",
            "gopkg.in/yaml%2ev3.Unmarshal",
            "vendor/golang.org/x/net/internal/a.b",
            "crypto/internal/fips140.x",
            "main.(*T[time.Duration]).Do",
            "timeout.x",
            "main.F[runtime/debug.X]",
            "slices.Sort[go.shape.[]time.Time]",
            "_rt0_amd64_linux",
            "x_cgo_init",
            "",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn functions_that_pass_waits_on() {
        for (name, expected) in [
            ("runtime.gopark", (true, true)),
            ("sync.(*WaitGroup).Wait", (true, true)),
            ("internal/sync.(*Mutex).lockSlow", (true, true)),
            ("internal/poll.(*FD).Read", (true, true)),
            ("time.Sleep", (true, true)),
            ("net.(*conn).Read", (false, true)),
            ("bufio.(*Scanner).Scan", (false, true)),
            ("os/exec.(*Cmd).Wait", (false, true)),
            ("os/signal.loop", (false, false)),
            ("io.(*pipe).write", (false, false)),
            ("net/http.(*persistConn).readLoop", (false, false)),
            ("golang.org/x/sync/errgroup.(*Group).Wait", (false, false)),
            ("main.sync", (false, false)),
        ] {
            assert_eq!((is_wait(name), passes_waits_on(name)), expected, "{name}");
        }
    }

    fn check(name: &str, expected: bool) {
        assert_eq!(is_library_function(name), expected, "{name}");
    }
}
