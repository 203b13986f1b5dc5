use crate::dead_letter::DeadLetter;
use crate::destination::Destination;
use crate::presence::PresenceChange;
use crate::sink::Sink;
use crate::timestamp::Timestamp;

/// One operation of the broker as destinations see it: when it happens, where to put what the shell
/// must do, and what is left to do once their locks are released.
pub(crate) struct Operation<'a, S> {
    pub(crate) now: Timestamp,
    pub(crate) sink: &'a mut dyn Sink<S>,
    pub(crate) aftermath: Aftermath,
}

/// What a destination cannot do under its own lock.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// They go to other destinations.
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Those are told of them who want to know.
    pub(crate) presence: Vec<PresenceChange>,
    /// Destinations that want to be told when it is so late. They may be told earlier, and ask again.
    pub(crate) alarms: Vec<(Timestamp, Destination)>,
}

impl Aftermath {
    pub(crate) fn is_empty(&self) -> bool {
        self.dead_letters.is_empty() && self.presence.is_empty() && self.alarms.is_empty()
    }
}

impl<'a, S> Operation<'a, S> {
    pub(crate) fn new(now: Timestamp, sink: &'a mut dyn Sink<S>) -> Self {
        Self { now, sink, aftermath: Aftermath::default() }
    }
}
