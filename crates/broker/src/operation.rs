use crate::destination::Destination;
use crate::kind::LetterNumber;
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
    pub(crate) given_up: Vec<GivenUp>,
    /// Those are told of them who want to know.
    pub(crate) presence: Vec<PresenceChange>,
    /// Destinations that want to be told when it is so late. They may be told earlier, and ask again.
    pub(crate) alarms: Vec<(Timestamp, Destination)>,
}

/// What a queue has given up: its letters from this one on.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) queue: Destination,
    pub(crate) from: LetterNumber,
}

impl Aftermath {
    /// A queue has given up a message.
    pub(crate) fn bury(&mut self, queue: &Destination, letter: LetterNumber) {
        match self.given_up.last_mut() {
            Some(last) if last.queue == *queue => last.from = last.from.min(letter),
            _ => self.given_up.push(GivenUp { queue: queue.clone(), from: letter }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.given_up.is_empty() && self.presence.is_empty() && self.alarms.is_empty()
    }
}

impl<'a, S> Operation<'a, S> {
    pub(crate) fn new(now: Timestamp, sink: &'a mut dyn Sink<S>) -> Self {
        Self { now, sink, aftermath: Aftermath::default() }
    }
}
