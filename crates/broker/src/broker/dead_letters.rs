use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::sending::Routed;
use crate::address::Address;
use crate::arguments::QueueArguments;
use crate::dead_letter::DeadLetter;
use crate::destination::Destination;
use crate::error::SendError;
use crate::kind::{Admission, Refusal, Role};
use crate::message::{Message, Properties};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::stomp;

/// How often a message may move on from one queue to the next within one operation. Queues that are
/// each other's places for dead letters would hand it round for ever.
pub(super) const MOVES_MAX: u32 = 16;

/// When a message is given up once more whose place could not be opened.
const RETRY_AFTER: Duration = Duration::from_secs(60);

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Puts a message where its queue wants it. A persistent one, for which its sender may have a
    /// receipt, is not lost for want of room: it is taken beyond the limits of the queue, and stays
    /// where it was as long as there are too many destinations.
    pub(super) fn send_dead_letter(&self, letter: &DeadLetter, operation: &mut Operation<'_, S>) {
        let is_persistent = letter.message.is_persistent();
        let sent =
            letter.target.as_ref().map(|target| self.put_in_place(letter, target, operation));
        match sent {
            Some(Ok(_)) => {}
            Some(Err(SendError::TooManyDestinations { .. }))
                if is_persistent && self.give_back(letter, operation).is_ok() => {}
            Some(Err(_)) | None => operation.sink.discard(letter),
        }
    }

    fn put_in_place(
        &self,
        letter: &DeadLetter,
        target: &Destination,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        let address = self.routing.addresses().resolve(target, || None)?;
        let (kind, destination, missing) = self.reach(None, address)?;
        let Properties { durability, priority, .. } = letter.message.properties;
        let properties = Properties { durability, priority, ..Properties::default() };
        let message = Arc::new(Message {
            destination,
            message_id: letter.message.message_id.clone(),
            headers: stomp::dead_letter_headers(letter),
            body: letter.message.body.clone(),
            properties,
            sender: letter.message.sender,
        });
        let arguments = QueueArguments::default();
        let routed = Routed { kind, missing, message, arguments };
        match self.route(&routed, Admission::IfThereIsRoom, operation) {
            Err(SendError::QueueFull { .. } | SendError::MessageTooLarge { .. })
                if letter.message.is_persistent() =>
            {
                self.route(&routed, Admission::InAnyCase, operation)
            }
            sent => sent,
        }
    }

    /// Puts a message back into the queue that gives it up, until later.
    fn give_back(
        &self,
        letter: &DeadLetter,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SendError> {
        let at = operation.now.after(RETRY_AFTER);
        loop {
            let queue = match self.routing.queue(&letter.queue) {
                Some(queue) => queue,
                // It was closed when it gave up the last of its messages.
                None => match self.routing.addresses().resolve(&letter.queue, || None)? {
                    Address::Queue(name) => self.routing.open_queue(&name, &Role::Named)?,
                    _ => return Err(SendError::NoSuchQueue { queue: letter.queue.clone() }),
                },
            };
            if queue.take_back(letter, at, operation) != Err(Refusal::Retired) {
                return Ok(());
            }
            self.routing.close(&DestinationPattern::exact(letter.queue.clone()), &queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{DestinationPolicy, QueueOverflow};
    use crate::recording::Recording;
    use crate::stomp::AckMode;

    const EXPIRING: [(&str, &str); 2] = [("persistent", "true"), ("expires", "50")];

    fn messages(recording: &Recording, queue: &str) -> Option<(usize, usize)> {
        recording.stats(queue).map(|stats| (stats.ready, stats.delayed))
    }

    #[test]
    fn a_persistent_dead_letter_is_taken_by_a_queue_that_is_full() {
        let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
        for (at, queue) in ["/queue/a", "/queue/a"].into_iter().enumerate() {
            recording.send_with(0, queue, &EXPIRING, "kept").unwrap();
            recording.at(100 + at as u64);
        }
        recording.send_with(0, "/queue/a", &[("expires", "50")], "lost").unwrap();
        recording.at(200);
        assert_eq!(messages(&recording, "/queue/DLQ.a"), Some((2, 0)));
        assert_eq!(recording.log.discarded, 1, "what is in memory only has no such right");
    }

    #[test]
    fn a_dead_letter_whose_queue_cannot_be_opened_stays_until_it_can() {
        let mut recording = Recording::with_limits(|limits| limits.destinations_max = 2);
        recording.subscribe(1, "t", "/topic/t", AckMode::Auto).unwrap();
        recording.send_with(0, "/queue/a", &[("persistent", "true")], "stays").unwrap();
        recording.send_with(0, "/queue/a", &EXPIRING, "dead").unwrap();
        recording.at(100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 1)));
        recording.at(60_100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 1)), "once more");
        recording.disconnect(1);
        recording.at(120_100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 0)));
        assert_eq!(messages(&recording, "/queue/DLQ.a"), Some((1, 0)));
        assert_eq!(recording.log.discarded, 0);
    }

    #[test]
    fn queues_that_drop_into_each_other_come_to_an_end() {
        let drop_head = || DestinationPolicy {
            messages_max: Some(1),
            overflow: QueueOverflow::DropHead,
            ..DestinationPolicy::default()
        };
        let mut recording = Recording::with_options(|options| {
            options.policies.set_rest(drop_head());
        });
        let into = |name| {
            [
                ("x-dead-letter-exchange", ""),
                ("x-dead-letter-routing-key", name),
                ("persistent", "true"),
            ]
        };
        for (queue, other) in [("/queue/a", "b"), ("/queue/b", "a"), ("/queue/a", "b")] {
            recording.send_with(0, queue, &into(other), "m").unwrap();
        }
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 0)));
        assert_eq!(messages(&recording, "/queue/b"), Some((1, 0)));
        assert_eq!(recording.log.discarded, 1);
    }
}
