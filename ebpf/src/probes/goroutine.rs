//! Goroutine creation and end.

super::counts! {
    /// `runtime.newproc1`.
    goroutine_start => GoroutineStart;
    /// `runtime.gdestroy` or `runtime.goexit0`.
    goroutine_exit => GoroutineExit;
}
