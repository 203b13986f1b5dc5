use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// How long a client of a test waits for what is to come: 10 s.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing may come for it to be silence: 1 s.
pub const SILENCE: Duration = Duration::from_secs(1);

/// Where the test says what it expects.
pub(super) type Caller = &'static Location<'static>;

/// Fails the test, where it said what it expects.
pub(super) fn fail(caller: Caller, what: impl fmt::Display) -> ! {
    panic!("{caller}: {what}")
}

/// What was to be done has been, or the test fails.
pub(super) fn unwrap<T, E: fmt::Display>(caller: Caller, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| fail(caller, error))
}
