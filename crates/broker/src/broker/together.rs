use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Broker;
use super::sending::{Routed, queue_name, refused, temporary_refused};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::error::SendError;
use crate::kind::{Admission, Allowance, Amount, KeptOctets, Kind, Queue, Refusal};
use crate::message::{Message, Retain};
use crate::operation::Operation;
use crate::policy::Retention;
use crate::stomp::retained;

/// What those messages take up that are to be taken together or not at all: of a SEND to several
/// destinations, or of a transaction.
#[derive(Default)]
pub(super) struct Together {
    /// By the name of the queue.
    queues: HashMap<Destination, Share>,
    /// Queues and topics that have to be made.
    made: HashSet<Destination>,
    /// Octets for all temporary queues of a session, by the address of its allowance.
    temporary: HashMap<*const Allowance, (Arc<Allowance>, usize)>,
    retained_octets: usize,
}

/// What is for one queue.
#[derive(Default)]
struct Share {
    asked: QueueArguments,
    amount: Amount,
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Whether there is room for a message, beside those of `together` that were found to have it.
    pub(super) fn check_room(
        &self,
        routed: &Routed,
        together: &mut Together,
    ) -> Result<(), SendError> {
        let Routed { kind, message, arguments, .. } = routed;
        let name = &message.destination;
        match kind {
            Kind::Topic => {
                for queue in self.bindings.of(message) {
                    check_queue(&queue, &QueueArguments::NONE, message, together)
                        .map_err(|refusal| refused(queue.name(), refusal))?;
                }
                self.check_retained(message, together)
            }
            Kind::Queue => {
                queue_name(name)?;
                let queue = match self.routing.queue(name) {
                    Some(queue) => queue,
                    None => {
                        self.check_place(name, together)?;
                        self.routing.empty_queue(name)
                    }
                };
                check_queue(&queue, arguments, message, together)
                    .map_err(|refusal| refused(name, refusal))
            }
            Kind::TemporaryQueue => match self.routing.queue(name) {
                Some(queue) => check_queue(&queue, &QueueArguments::NONE, message, together)
                    .map_err(|refusal| temporary_refused(name, refusal)),
                None => Ok(()),
            },
            Kind::TemporaryTopic | Kind::User => Ok(()),
            Kind::Presence => Err(SendError::ReadOnly { destination: name.clone() }),
        }
    }

    /// Sends a message for which there was room. What others have done since then does not matter.
    pub(super) fn send_checked(&self, routed: &Routed, operation: &mut Operation<'_, S>) -> usize {
        let sent = self.route(routed, Admission::InAnyCase, operation);
        sent.expect("whatever speaks against it was looked at")
    }

    /// Whether a topic can retain the message, if it is to.
    fn check_retained(&self, message: &Message, together: &mut Together) -> Result<(), SendError> {
        let name = &message.destination;
        let retention = self.options.policies.of(name).retention;
        if message.properties.retain != Retain::Set || retention == Retention::Never {
            return Ok(());
        }
        if self.routing.topic(name).is_none() {
            self.check_place(name, together)?;
        }
        together.retained_octets += KeptOctets::of(&retained(message));
        if self.routing.has_room_to_keep(together.retained_octets) {
            return Ok(());
        }
        let kept_octets_max = self.limits().kept_octets_max;
        Err(SendError::NoRoomToRetain { destination: name.clone(), kept_octets_max })
    }

    /// Whether a destination can be made.
    fn check_place(&self, name: &Destination, together: &mut Together) -> Result<(), SendError> {
        together.made.insert(name.clone());
        Ok(self.routing.check_places(together.made.len())?)
    }
}

fn check_queue<S>(
    queue: &Queue<S>,
    arguments: &QueueArguments,
    message: &Message,
    together: &mut Together,
) -> Result<(), Refusal> {
    let share = together.queues.entry(queue.name().clone()).or_default();
    share.asked = share.asked.merged(arguments).map_err(Refusal::ArgumentDiffers)?;
    let before = Allowance::octets(share.amount);
    share.amount = share.amount.with(message);
    let for_others = queue.allowance().map_or(0, |allowance| {
        let address = Arc::as_ptr(&allowance);
        let (_, all) = together.temporary.entry(address).or_insert((allowance, 0));
        let others = all.saturating_sub(before);
        *all = others.saturating_add(Allowance::octets(share.amount));
        others
    });
    let checked = queue.check_room(share.amount, &share.asked, for_others);
    checked.map_err(|refusal| match refusal {
        Refusal::TooLarge(limit) if Amount::default().with(message).is_within(limit) => {
            Refusal::TooMuchTogether(limit)
        }
        refusal => refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Action, CommitError, CommitFailure};
    use crate::error::QueueLimit;
    use crate::recording::{Recording, now, sender, to};
    use crate::stomp::{AckMode, Headers};

    fn send(destination: &str, headers: &[(&str, &str)]) -> Action<'static> {
        let destination = Destination::parse(destination).unwrap();
        Action::Send { destination, headers: headers.iter().copied().collect(), body: "m".into() }
    }

    fn commit(
        recording: &mut Recording,
        session: u64,
        actions: &[Action<'static>],
    ) -> Result<(), CommitError> {
        let (broker, log) = (&recording.broker, &mut recording.log);
        broker.commit(now(), sender(&session), actions.to_vec(), log)
    }

    /// Why a transaction failed: the number of the action, and the message.
    fn failure(result: Result<(), CommitError>) -> (usize, SendError) {
        let Err(CommitError { at, cause: CommitFailure::Send(error) }) = result else {
            panic!("{result:?}");
        };
        (at, error)
    }

    fn ready(recording: &Recording, queue: &str) -> Option<usize> {
        recording.stats(queue).map(|stats| stats.ready)
    }

    #[test]
    fn none_of_several_destinations_gets_what_one_has_no_room_for() {
        let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
        recording.subscribe(1, "t", "/topic/t", AckMode::Auto).unwrap();
        recording.send("/queue/b", "1").unwrap();
        for _ in 0..3 {
            let refused = recording.send("/topic/t,/queue/a,/queue/b", "2").unwrap_err();
            assert_eq!(refused.full_queue().map(Destination::as_str), Some("/queue/b"));
        }
        assert_eq!((ready(&recording, "/queue/a"), recording.bodies()), (None, to(&[])));
        recording.subscribe(2, "b", "/queue/b", AckMode::Auto).unwrap();
        assert_eq!(recording.log.rooms, 1);
        recording.send("/topic/t,/queue/a,/queue/b", "2").unwrap();
        assert_eq!(recording.bodies(), to(&[(2, "1"), (1, "2"), (2, "2")]));
        assert_eq!(ready(&recording, "/queue/a"), Some(1));
        let twice = recording.send("/queue/c,/queue/c", "3").unwrap_err();
        assert!(matches!(twice, SendError::TooMuchTogether { .. }), "{twice:?}");
    }

    #[test]
    fn a_message_that_is_too_large_itself_is_told_so_where_the_queue_is_full_too() {
        let mut recording = Recording::with_limits(|limits| {
            (limits.queue_messages_max, limits.queue_octets_max) = (1, 1000);
        });
        recording.send("/queue/a", "1").unwrap();
        let destination = Destination::parse("/queue/a").unwrap();
        let (headers, body) = (Headers::default(), vec![0; 2000].into());
        let large = Action::Send { destination: destination.clone(), headers, body };
        let (_, error) = failure(commit(&mut recording, 1, &[large]));
        let limit = QueueLimit::Octets(1000);
        assert_eq!(error, SendError::MessageTooLarge { destination, limit });
    }

    #[test]
    fn a_transaction_fails_for_want_of_a_place_for_a_queue() {
        let mut recording = Recording::with_limits(|limits| limits.destinations_max = 2);
        let sends = ["/queue/a", "/queue/b", "/queue/a", "/queue/c"].map(|name| send(name, &[]));
        let (at, error) = failure(commit(&mut recording, 1, &sends));
        assert_eq!((at, error), (3, SendError::TooManyDestinations { destinations_max: 2 }));
        assert_eq!(recording.broker.stats().destinations, 0);
        commit(&mut recording, 1, &sends[..3]).unwrap();
        assert_eq!(
            (ready(&recording, "/queue/a"), ready(&recording, "/queue/b")),
            (Some(2), Some(1))
        );
    }

    #[test]
    fn a_transaction_fails_that_asks_a_queue_for_something_else() {
        let mut recording = Recording::new();
        let length = |length| send("/queue/a", &[("x-max-length", length)]);
        let argument = "x-max-length";
        let queue = Destination::parse("/queue/a").unwrap();
        let (at, error) = failure(commit(&mut recording, 1, &[length("7"), length("8")]));
        assert_eq!((at, error), (1, SendError::ArgumentDiffers { queue: queue.clone(), argument }));
        assert_eq!(recording.stats("/queue/a"), None);
        commit(&mut recording, 1, &[length("7")]).unwrap();
        let (at, error) = failure(commit(&mut recording, 1, &[send("/queue/b", &[]), length("8")]));
        assert_eq!((at, error), (1, SendError::ArgumentDiffers { queue, argument }));
        assert_eq!(recording.stats("/queue/b"), None);
    }

    #[test]
    fn a_transaction_keeps_to_what_it_asks_of_a_queue_itself() {
        let mut recording = Recording::new();
        let one = |overflow| send("/queue/a", &[("x-max-length", "1"), ("x-overflow", overflow)]);
        let (at, error) =
            failure(commit(&mut recording, 1, &[one("reject-publish"), one("reject-publish")]));
        assert!(at == 1 && matches!(error, SendError::TooMuchTogether { .. }), "{at} {error:?}");
        assert_eq!(recording.stats("/queue/a"), None);
        commit(&mut recording, 1, &[one("reject-publish")]).unwrap();
        let failed = commit(&mut recording, 1, &[one("reject-publish")]).unwrap_err();
        assert!(failed.full_queue().is_none() && failed.is_receivers_fault(), "{failed}");
        recording.subscribe(1, "a", "/queue/a", AckMode::Auto).unwrap();
        recording.unsubscribe(1, "a");
        commit(&mut recording, 1, &[one("drop-head"), one("drop-head")]).unwrap();
        assert_eq!(ready(&recording, "/queue/a"), Some(1));
    }

    #[test]
    fn a_queue_that_drops_messages_drops_those_of_transactions_too() {
        let mut recording = Recording::new();
        let one = [send("/queue/a", &[("x-max-length", "1"), ("x-overflow", "drop-head")])];
        for _ in 0..3 {
            commit(&mut recording, 1, &one).unwrap();
        }
        assert_eq!(ready(&recording, "/queue/a"), Some(1));
        let durable = [
            ("activemq.subscriptionName", "one"),
            ("x-max-length", "1"),
            ("x-overflow", "drop-head"),
        ];
        recording.subscribe_to(1, "/topic/t", AckMode::Auto, &durable).unwrap();
        recording.disconnect(1);
        recording.send_all("/topic/t", &["1", "2", "3"]);
        assert_eq!(ready(&recording, "/dsub/owner/one"), Some(1));
    }

    #[test]
    fn a_transaction_fails_if_a_topic_cannot_retain_what_it_is_to() {
        let mut recording = Recording::with_limits(|limits| limits.kept_octets_max = 600);
        let retain = |name| send(name, &[("retain", "set")]);
        let sends = [retain("/topic/a"), retain("/topic/b"), retain("/topic/c")];
        let (at, error) = failure(commit(&mut recording, 1, &sends));
        assert!(at == 2 && matches!(error, SendError::NoRoomToRetain { .. }), "{at} {error:?}");
        assert_eq!(recording.broker.stats().kept_octets, 0);
        commit(&mut recording, 1, &sends[..2]).unwrap();
        for topic in ["/topic/a", "/topic/b"] {
            assert_eq!(recording.stats(topic).map(|stats| stats.kept), Some(1), "{topic}");
        }
    }

    #[test]
    fn what_is_for_several_temporary_queues_of_a_session_is_counted_together() {
        let mut recording =
            Recording::with_limits(|limits| limits.session_temporary_octets_max = 1000);
        for called in ["/temp-queue/1", "/temp-queue/2"] {
            recording.send_from(2, "/queue/work", &[("reply-to", called)], "request").unwrap();
            recording.unsubscribe(2, called);
        }
        recording.subscribe(1, "w", "/queue/work", AckMode::Auto).unwrap();
        let replies: Vec<String> =
            recording.take().into_iter().map(|got| got.reply_to.unwrap()).collect();
        let reply = |to: &str, octets| {
            let destination = Destination::parse(to).unwrap();
            let body = "m".repeat(octets).into();
            Action::Send { destination, headers: Headers::default(), body }
        };
        for octets in [400, 2000] {
            let both = [reply(&replies[0], octets), reply(&replies[1], octets)];
            let (at, error) = failure(commit(&mut recording, 1, &both));
            assert!(at == 1 && matches!(error, SendError::TemporaryQueueFull { .. }), "{error:?}");
            let refused = recording.send(&replies.join(","), &"m".repeat(octets)).unwrap_err();
            assert!(matches!(refused, SendError::TemporaryQueueFull { .. }), "{refused:?}");
        }
        let several = [reply(&replies[0], 100), reply(&replies[1], 100), reply(&replies[0], 20)];
        commit(&mut recording, 1, &several).unwrap();
        let queues = recording.broker.destinations().into_iter();
        let waiting = queues.filter(|it| it.kind == Kind::TemporaryQueue).map(|it| it.ready);
        assert_eq!(waiting.sum::<usize>(), 3);
    }

    #[test]
    fn a_transaction_fails_whose_reply_finds_no_room() {
        let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
        recording.send_from(2, "/queue/work", &[("reply-to", "/temp-queue/r")], "request").unwrap();
        recording.unsubscribe(2, "/temp-queue/r");
        recording.subscribe(1, "w", "/queue/work", AckMode::Auto).unwrap();
        let reply_to = recording.take().remove(0).reply_to.unwrap();
        recording.send(&reply_to, "1").unwrap();
        let actions = [send("/queue/log", &[]), send(&reply_to, &[])];
        let failed = commit(&mut recording, 1, &actions).unwrap_err();
        assert_eq!(failed.full_queue(), None, "nobody waits for it");
        let (at, error) = failure(Err(failed));
        assert!(at == 1 && matches!(error, SendError::TemporaryQueueFull { .. }), "{at} {error:?}");
        assert_eq!(recording.stats("/queue/log"), None);
        recording.disconnect(2);
        commit(&mut recording, 1, &actions).unwrap();
        assert_eq!(ready(&recording, "/queue/log"), Some(1));
    }
}
