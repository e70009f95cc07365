//! Timers and sleeps.

super::counts! {
    /// `time.newTimer` or `time.startTimer`.
    timer_start => TimerStart;
    /// `time.stopTimer`.
    timer_stop => TimerStop;
    /// `time.resetTimer`.
    timer_reset => TimerReset;
    /// `time.Sleep`.
    sleep => Sleep;
    /// `time.sendTime` and `time.goFunc`.
    timer_fire => TimerFire;
}
