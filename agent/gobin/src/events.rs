//! The functions of the Go runtime that are worth observing. Input noun: none. Output noun: [`WANTED`]. Must not know where they
//! lie, nor what is probed: that is for the plan.

/// What a call of a function means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A goroutine is created.
    GoroutineStart,
    /// A goroutine ends.
    GoroutineEnd,
    /// A map entry is inserted or updated.
    MapWrite,
    /// A map entry is deleted, or all of them.
    MapDelete,
    /// A timer comes into being or is armed.
    TimerStart,
    /// A timer is stopped.
    TimerStop,
    /// A timer is armed anew.
    TimerReset,
    /// A goroutine sleeps.
    Sleep,
    /// A timer fires.
    TimerFire,
    /// No event: code that refers to globals.
    Reference,
}

/// A function to look for.
#[derive(Clone, Copy, Debug)]
pub struct WantedFunction {
    /// Name in pclntab.
    pub name: &'static str,
    /// What a call of it means.
    pub event: Event,
}

const fn wanted(name: &'static str, event: Event) -> WantedFunction {
    WantedFunction { name, event }
}

/// Every function that analysis looks for, by event. Which of them an executable contains depends on the Go version and on what
/// the program uses: COMPATIBILITY.md has the table.
pub const WANTED: &[WantedFunction] = &[
    // The go statement; and every creation, also of coroutines, on g0.
    wanted("runtime.newproc", Event::GoroutineStart),
    wanted("runtime.newproc1", Event::GoroutineStart),
    // The normal end on the goroutine itself; its second half on g0; and, since 1.22, the end of coroutines too.
    wanted("runtime.goexit1", Event::GoroutineEnd),
    wanted("runtime.goexit0", Event::GoroutineEnd),
    wanted("runtime.gdestroy", Event::GoroutineEnd),
    // The compiler chooses by key type; reflection and generics end in the same functions.
    wanted("runtime.mapassign", Event::MapWrite),
    wanted("runtime.mapassign_fast32", Event::MapWrite),
    wanted("runtime.mapassign_fast32ptr", Event::MapWrite),
    wanted("runtime.mapassign_fast64", Event::MapWrite),
    wanted("runtime.mapassign_fast64ptr", Event::MapWrite),
    wanted("runtime.mapassign_faststr", Event::MapWrite),
    wanted("runtime.mapdelete", Event::MapDelete),
    wanted("runtime.mapdelete_fast32", Event::MapDelete),
    wanted("runtime.mapdelete_fast64", Event::MapDelete),
    wanted("runtime.mapdelete_faststr", Event::MapDelete),
    wanted("runtime.mapclear", Event::MapDelete),
    // NewTimer, AfterFunc and NewTicker end in startTimer until 1.22, in newTimer since 1.23.
    wanted("time.newTimer", Event::TimerStart),
    wanted("time.startTimer", Event::TimerStart),
    wanted("time.stopTimer", Event::TimerStop),
    wanted("time.resetTimer", Event::TimerReset),
    wanted("time.Sleep", Event::Sleep),
    // What a fired timer calls: sendTime for channels, goFunc for AfterFunc.
    wanted("time.sendTime", Event::TimerFire),
    wanted("time.goFunc", Event::TimerFire),
    // Refers to runtime.buildVersion in every version.
    wanted(SCHEDINIT, Event::Reference),
    // Whose calls tell where tickers are made.
    wanted(NEW_TICKER, Event::Reference),
    // Which timers end no wait of who uses a connection.
    wanted(CLOSE_IDLE, Event::Reference),
];

/// By it net/http closes a connection that has been idle for too long. Its timer is not stopped when the connection is used again, and does
/// nothing then.
pub const CLOSE_IDLE: &str = "net/http.(*persistConn).closeConnIfStillIdle-fm";

/// The function that makes every ticker, also those of `time.Tick`.
pub const NEW_TICKER: &str = "time.NewTicker";

/// The function whose references lead to `runtime.buildVersion`.
pub(crate) const SCHEDINIT: &str = "runtime.schedinit";
