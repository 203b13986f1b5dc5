use std::sync::Arc;

use super::Broker;
use super::sending::Routed;
use crate::address::Address;
use crate::arguments::QueueArguments;
use crate::dead_letter::DeadLetter;
use crate::error::SendError;
use crate::kind::Admission;
use crate::message::{Message, Properties};
use crate::operation::{GivenUp, Operation};
use crate::pattern::DestinationPattern;
use crate::stomp;

/// How often a message may move on from one queue to the next within one operation. Queues that are
/// each other's places for dead letters would hand it round for ever: what has moved on so often is dropped, as
/// RabbitMQ drops what goes in a circle.
const MOVES_MAX: u32 = 16;

/// What there is for a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Found,
    /// None at the moment, neither for others of its queue.
    NoneYet,
    /// None at the moment, though perhaps for smaller ones.
    NoneForThisOne,
    /// There never will be one.
    None,
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Sends dead letters where their queue wants them. For persistent ones their senders may have
    /// receipts: as long as there is no place for them they stay in their queue, where they count. Others are
    /// given up. The rounds are those of one operation, the first being 0.
    pub(super) fn send_dead_letters(
        &self,
        letters: &GivenUp,
        round: u32,
        operation: &mut Operation<'_, S>,
    ) {
        let Some(queue) = self.routing.queue(&letters.queue) else { return };
        let (mut from, upto) = (letters.from, queue.next_letter());
        let mut place = if round < MOVES_MAX { Place::Found } else { Place::None };
        while let Some(lifted) = queue.lift_letter(from, upto) {
            from = lifted.next();
            if round < MOVES_MAX && place != Place::NoneYet {
                place = self.put_in_place(&lifted.letter, operation);
            }
            match place {
                Place::Found => queue.letter_has_gone(lifted, operation),
                Place::NoneYet | Place::NoneForThisOne if lifted.letter.message.is_persistent() => {
                    queue.letter_waits(lifted, operation);
                }
                Place::NoneYet | Place::NoneForThisOne | Place::None => {
                    operation.sink.discard(&lifted.letter);
                    queue.letter_has_gone(lifted, operation);
                }
            }
        }
        let name = DestinationPattern::exact(letters.queue.clone());
        self.routing.close_if_vacant(&name, &(queue as _), operation);
    }

    fn put_in_place(&self, letter: &DeadLetter, operation: &mut Operation<'_, S>) -> Place {
        let Some(target) = &letter.target else { return Place::None };
        let Ok(address) = self.routing.addresses().resolve(target, || None) else {
            return Place::None;
        };
        if matches!(&address, Address::Queue(name) | Address::ExistingQueue(name) if *name == letter.queue)
        {
            return Place::None;
        }
        match self.send_dead_letter(letter, address, operation) {
            Ok(_) => Place::Found,
            // A queue that is not to be created may be declared yet, by who consumes from it.
            Err(
                SendError::QueueFull { .. }
                | SendError::QueueRefuses { .. }
                | SendError::TooManyDestinations { .. }
                | SendError::NoSuchQueue { .. },
            ) => Place::NoneYet,
            Err(SendError::MessageTooLarge { .. }) => Place::NoneForThisOne,
            Err(_) => Place::None,
        }
    }

    fn send_dead_letter(
        &self,
        letter: &DeadLetter,
        address: Address,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
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
        self.route(&routed, Admission::IfThereIsRoom, operation)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::acknowledgement::NackAction;
    use crate::destination::Destination;
    use crate::options::BrokerOptions;
    use crate::policy::{DeadLetters, DestinationPolicy, QueueOverflow};
    use crate::record::{Change, StoredQueue};
    use crate::recording::{Recording, later, to};
    use crate::stomp::AckMode;
    use crate::storing::{Batch, Snapshot};

    const PERSISTENT: [(&str, &str); 1] = [("persistent", "true")];
    const EXPIRING: [(&str, &str); 2] = [("persistent", "true"), ("expires", "1700000000050")];

    /// How many messages of a queue are ready, and how many wait for something else than a consumer.
    fn messages(recording: &Recording, queue: &str) -> Option<(usize, usize)> {
        recording.stats(queue).map(|stats| (stats.ready, stats.delayed))
    }

    /// The dead letters that are in their place.
    fn dead(recording: &Recording, queue: &str) -> Vec<(String, String)> {
        let letters = recording.broker.peek(&Destination::parse(queue).unwrap(), usize::MAX);
        let shown = letters.unwrap_or_default().into_iter().map(|(message, _)| {
            let reason = message.headers.get("x-death-reason").unwrap_or_default().to_owned();
            (String::from_utf8(message.body.to_vec()).unwrap(), reason)
        });
        shown.collect()
    }

    fn pair(body: &str, reason: &str) -> (String, String) {
        (body.to_owned(), reason.to_owned())
    }

    /// A broker that has no place for a queue of dead letters until session 9 leaves.
    fn without_place(policy: DestinationPolicy, queue_messages_max: usize) -> Recording {
        let mut recording = Recording::with_options(|options| {
            options.limits.destinations_max = 2;
            options.limits.queue_messages_max = queue_messages_max;
            options.policies.push(DestinationPattern::parse("/queue/a").unwrap(), policy);
        });
        recording.subscribe(9, "t", "/topic/t", AckMode::Auto).unwrap();
        recording
    }

    fn one_at_most(overflow: QueueOverflow) -> DestinationPolicy {
        DestinationPolicy { messages_max: Some(1), overflow, ..DestinationPolicy::default() }
    }

    fn store(snapshot: &mut Snapshot, recording: &Recording) {
        let mut batch = Batch::default();
        recording.log.changes.iter().cloned().for_each(|change| batch.apply(change));
        snapshot.apply(&batch);
    }

    /// What is stored of the queues.
    fn stored(recording: &Recording) -> Vec<(String, usize)> {
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, recording);
        let queues = snapshot.queues().unwrap().into_iter();
        queues.map(|it| (it.definition.name.to_string(), it.messages.len())).collect()
    }

    #[test]
    fn dead_letters_for_which_there_is_no_room_count_in_their_own_queue() {
        let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 2);
        for body in ["1", "2", "3", "4"] {
            recording.send_with(0, "/queue/a", &EXPIRING, body).unwrap();
            recording.at(100);
        }
        assert_eq!(messages(&recording, "/queue/DLQ.a"), Some((2, 0)));
        assert_eq!(messages(&recording, "/queue/a"), Some((0, 2)));
        assert_eq!(recording.log.waiting, 1, "it is told once until they are sent again");
        for headers in [&EXPIRING[..], &[]] {
            let refused = recording.send_with(100, "/queue/a", headers, "5").unwrap_err();
            assert_eq!(refused.full_queue().map(Destination::as_str), Some("/queue/a"));
        }
        recording.subscribe(1, "d", "/queue/DLQ.a", AckMode::Auto).unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2")]));
        assert_eq!(recording.broker.next_deadline(), Some(later(60_100)));
        recording.at(60_100);
        assert_eq!(recording.bodies(), to(&[(1, "3"), (1, "4")]));
        assert_eq!(recording.log.rooms, 2, "of both queues");
        assert_eq!((recording.log.discarded, messages(&recording, "/queue/a")), (0, None));
        recording.send_with(60_100, "/queue/a", &EXPIRING, "5").unwrap();
    }

    #[test]
    fn dead_letters_have_a_place_whatever_the_names_of_queues_begin_with() {
        let mut recording = Recording::with_options(|options| {
            options.queue_prefixes = vec!["jms.queue.".to_owned(), "/jobs/".to_owned()];
        });
        for queue in ["jms.queue.a", "/jobs/a"] {
            recording.send_with(0, queue, &EXPIRING, queue).unwrap();
        }
        let key = [("x-dead-letter-routing-key", "c"), EXPIRING[0], EXPIRING[1]];
        recording.send_with(0, "/jobs/b", &key, "by key").unwrap();
        recording.at(100);
        assert_eq!(dead(&recording, "jms.queue.DLQ.a"), [pair("jms.queue.a", "expired")]);
        assert_eq!(dead(&recording, "/jobs/DLQ.a"), [pair("/jobs/a", "expired")]);
        assert_eq!(dead(&recording, "jms.queue.c"), [pair("by key", "expired")]);
        assert_eq!(recording.log.discarded, 0);
    }

    #[test]
    fn dead_letters_of_an_exchange_go_to_its_subscribers() {
        let mut recording = Recording::new();
        recording.subscribe(1, "d", "/exchange/amq.direct/k", AckMode::Auto).unwrap();
        recording.subscribe(2, "n", "/exchange/amq.direct/b", AckMode::Auto).unwrap();
        recording.subscribe(3, "t", "/topic/x.*", AckMode::Auto).unwrap();
        for (queue, exchange, key) in [
            ("/queue/a", "amq.direct", "k"),
            ("/queue/b", "amq.direct", ""),
            ("/queue/c", "amq.topic", "x.y"),
        ] {
            let headers = [
                ("x-dead-letter-exchange", exchange),
                ("x-dead-letter-routing-key", key),
                ("expires", "1700000000050"),
            ];
            recording.send_with(0, queue, &headers, queue).unwrap();
        }
        recording.at(100);
        let mut bodies = recording.bodies();
        bodies.sort();
        assert_eq!(bodies, to(&[(1, "/queue/a"), (2, "/queue/b"), (3, "/queue/c")]));
    }

    #[test]
    fn no_queue_is_the_place_of_its_own_dead_letters() {
        let mut recording = Recording::new();
        let headers = [("x-dead-letter-routing-key", "a"), EXPIRING[0], EXPIRING[1]];
        recording.send_with(0, "/queue/a", &headers, "m").unwrap();
        recording.at(100);
        assert_eq!((messages(&recording, "/queue/a"), recording.log.discarded), (None, 1));
    }

    #[test]
    fn policies_whose_dead_letters_have_no_place_are_told() {
        let check = |dead_letters: DeadLetters, expected: Option<&str>| {
            let queue_prefixes = vec!["/jobs/".to_owned()];
            let mut options = BrokerOptions { queue_prefixes, ..BrokerOptions::default() };
            let policy = DestinationPolicy { dead_letters, ..DestinationPolicy::default() };
            options.policies.push(DestinationPattern::parse("/jobs/*").unwrap(), policy);
            let told = options.check_dead_letters().map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(told, Ok(())),
                Some(expected) => assert!(told.unwrap_err().contains(expected), "{expected}"),
            }
        };
        let to = |place: &str| DeadLetters::To(Destination::parse(place).unwrap());
        check(DeadLetters::QueueOfItsOwn, None);
        check(DeadLetters::Discard, None);
        check(DeadLetters::QueueNamed("/jobs/dead.".to_owned()), None);
        check(to("/topic/dead"), None);
        check(to("/amq/queue/dead"), None);
        let unknown =
            "unknown destination /queue/DLQ.NAME: a destination is /topic/NAME or /jobs/NAME";
        check(DeadLetters::QueueNamed("/queue/DLQ.".to_owned()), Some(unknown));
        check(to("/queue/dead"), Some("unknown destination /queue/dead"));
        check(to("/presence/topic/a"), Some("/presence/topic/a"));
        check(to("/temp-queue/a"), Some("/temp-queue/a"));
    }

    #[test]
    fn what_is_in_memory_only_is_given_up_where_there_is_no_room() {
        let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
        for headers in [&EXPIRING[..], &[("expires", "1700000000050")]] {
            recording.send_with(0, "/queue/a", headers, "m").unwrap();
            recording.at(100);
        }
        assert_eq!((recording.log.discarded, recording.log.waiting), (1, 0));
        assert_eq!(messages(&recording, "/queue/DLQ.a"), Some((1, 0)));
        assert_eq!(messages(&recording, "/queue/a"), None);
    }

    #[test]
    fn dead_letters_whose_queue_cannot_be_opened_stay_until_it_can() {
        let mut recording = without_place(DestinationPolicy::default(), 10);
        recording.send_with(0, "/queue/a", &PERSISTENT, "stays").unwrap();
        for body in ["1", "2"] {
            recording.send_with(0, "/queue/a", &EXPIRING, body).unwrap();
        }
        recording.at(100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 2)));
        recording.at(60_100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 2)), "once more");
        assert_eq!(stored(&recording), [("/queue/a".to_owned(), 3)]);
        recording.disconnect(9);
        recording.at(120_100);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 0)));
        let expected = [pair("1", "expired"), pair("2", "expired")];
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
        let expected = [("/queue/a".to_owned(), 1), ("/queue/DLQ.a".to_owned(), 2)];
        assert_eq!(stored(&recording), expected);
        assert_eq!((recording.log.discarded, recording.broker.next_deadline()), (0, None));
    }

    #[test]
    fn dead_letters_that_wait_go_before_those_that_come_at_that_time() {
        let mut recording = without_place(DestinationPolicy::default(), 10);
        recording.send_with(0, "/queue/a", &EXPIRING, "1").unwrap();
        recording.at(100);
        let headers = [PERSISTENT[0], ("expires", "1700000060100")];
        recording.send_with(100, "/queue/a", &headers, "2").unwrap();
        recording.disconnect(9);
        recording.at(60_100);
        let expected = [pair("1", "expired"), pair("2", "expired")];
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
    }

    #[test]
    fn a_queue_that_drops_its_oldest_delivers_the_newest_beside_dead_letters_that_wait() {
        let mut recording = without_place(one_at_most(QueueOverflow::DropHead), 3);
        for body in ["1", "2", "3"] {
            recording.send_with(0, "/queue/a", &PERSISTENT, body).unwrap();
        }
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 2)));
        for _ in 0..3 {
            let refused = recording.send_with(0, "/queue/a", &PERSISTENT, "4").unwrap_err();
            assert_eq!(refused.full_queue().map(Destination::as_str), Some("/queue/a"));
        }
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 2)), "nothing more was dropped");
        recording.subscribe(1, "a", "/queue/a", AckMode::Auto).unwrap();
        assert_eq!((recording.bodies(), recording.log.rooms), (to(&[(1, "3")]), 1));
        recording.send_with(0, "/queue/a", &PERSISTENT, "4").unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "4")]));
        recording.disconnect(9);
        recording.at(60_000);
        let expected = [pair("1", "maxlen"), pair("2", "maxlen")];
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
    }

    #[test]
    fn a_new_message_that_is_dropped_is_stored_until_it_has_a_place() {
        let mut recording = without_place(one_at_most(QueueOverflow::DropNew), 3);
        for body in ["1", "2", "3"] {
            recording.send_with(0, "/queue/a", &PERSISTENT, body).unwrap();
        }
        assert_eq!(stored(&recording), [("/queue/a".to_owned(), 3)]);
        let refused = recording.send_with(0, "/queue/a,/queue/a", &PERSISTENT, "4").unwrap_err();
        assert_eq!(refused.full_queue().map(Destination::as_str), Some("/queue/a"));
        recording.disconnect(9);
        recording.at(60_000);
        let expected = [pair("2", "maxlen"), pair("3", "maxlen")];
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
    }

    #[test]
    fn what_a_consumer_has_refused_for_good_does_not_come_again() {
        let policy = DestinationPolicy { deliveries_max: 1, ..DestinationPolicy::default() };
        let mut recording = without_place(policy, 10);
        recording.subscribe(1, "a", "/queue/a", AckMode::ClientIndividual).unwrap();
        for (body, action) in [("1", NackAction::Reject), ("2", NackAction::Requeue)] {
            recording.send_with(0, "/queue/a", &PERSISTENT, body).unwrap();
            let ack = recording.take().remove(0).ack.unwrap();
            recording.nack(1, &ack, action).unwrap();
        }
        for at in [60_000, 120_000] {
            recording.at(at);
            assert_eq!(
                (recording.bodies(), messages(&recording, "/queue/a")),
                (to(&[]), Some((0, 2)))
            );
        }
        recording.disconnect(9);
        recording.at(180_000);
        let expected = [pair("1", "rejected"), pair("2", "delivery-limit")];
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
    }

    /// A broker that finds these queues in its store, and may have so many destinations.
    fn recovered(stored: Vec<StoredQueue>, destinations_max: usize) -> Recording {
        let mut recording =
            Recording::with_limits(|limits| limits.destinations_max = destinations_max);
        recording.broker.recover(later(0), stored, &mut recording.log).unwrap();
        recording
    }

    #[test]
    fn dead_letters_that_wait_are_none_the_less_dead_after_a_restart() {
        let policy =
            DestinationPolicy { deliveries_max: 2, ..one_at_most(QueueOverflow::DropHead) };
        let mut recording = without_place(policy, 10);
        recording.subscribe(1, "a", "/queue/a", AckMode::ClientIndividual).unwrap();
        for (body, action, times) in [("1", NackAction::Reject, 1), ("2", NackAction::Requeue, 2)] {
            recording.send_with(0, "/queue/a", &PERSISTENT, body).unwrap();
            for _ in 0..times {
                let ack = recording.take().remove(0).ack.unwrap();
                recording.nack(1, &ack, action).unwrap();
            }
        }
        recording.send_with(0, "/queue/a", &PERSISTENT, "3").unwrap();
        recording.unsubscribe(1, "a");
        recording.send_with(0, "/queue/a", &PERSISTENT, "4").unwrap();
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, &recording);

        // There is still no place for them.
        let mut recording = recovered(snapshot.queues().unwrap(), 1);
        assert_eq!(messages(&recording, "/queue/a"), Some((1, 3)));
        recording.subscribe(1, "a", "/queue/a", AckMode::Auto).unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "4")]));
        let puts = |change: &Change| matches!(change, Change::Put { .. });
        assert!(!recording.log.changes.iter().any(puts), "it is stored already");

        // Two queues of one name become one.
        let mut queues = snapshot.queues().unwrap();
        let mut younger = queues[0].clone();
        younger.id.0 += 1;
        queues.push(younger);
        let recording = recovered(queues, 1);
        assert_eq!(messages(&recording, "/queue/a"), Some((2, 6)));
        store(&mut snapshot, &recording);

        let recording = recovered(snapshot.queues().unwrap(), 2);
        let mut expected: Vec<_> = [("1", "rejected"), ("2", "delivery-limit"), ("3", "maxlen")]
            .map(|(body, reason)| pair(body, reason))
            .to_vec();
        expected.extend(expected.clone());
        assert_eq!(dead(&recording, "/queue/DLQ.a"), expected);
        let letters = recording.broker.peek(&Destination::parse("/queue/DLQ.a").unwrap(), 3);
        let counts = letters.unwrap().into_iter().map(|(message, _)| {
            message.headers.get("x-delivery-count").map(str::to_owned).unwrap()
        });
        assert_eq!(counts.collect::<Vec<_>>(), ["1", "2", "1"]);
    }

    #[test]
    fn one_letter_that_is_too_large_for_its_place_holds_up_no_others() {
        let mut recording = Recording::with_options(|options| {
            let narrow = DestinationPolicy { octets_max: Some(1000), ..Default::default() };
            options.policies.push(DestinationPattern::parse("/queue/DLQ.*").unwrap(), narrow);
        });
        for body in ["1".repeat(2000), "2".to_owned()] {
            recording.send_with(0, "/queue/a", &EXPIRING, &body).unwrap();
        }
        recording.at(100);
        assert_eq!(dead(&recording, "/queue/DLQ.a"), [pair("2", "expired")]);
        assert_eq!((messages(&recording, "/queue/a"), recording.log.discarded), (Some((0, 1)), 0));
    }

    #[test]
    fn dead_letters_are_sent_again_when_the_policy_says_but_not_at_once() {
        for (retry, expected) in [(5_000, 5_100), (0, 1_100)] {
            let dead_letter_retry = Duration::from_millis(retry);
            let policy = DestinationPolicy { dead_letter_retry, ..DestinationPolicy::default() };
            let mut recording = without_place(policy, 10);
            recording.send_with(0, "/queue/a", &EXPIRING, "m").unwrap();
            recording.at(100);
            assert_eq!(recording.broker.next_deadline(), Some(later(expected)));
        }
    }

    #[test]
    fn a_queue_with_dead_letters_ends_once_they_are_purged_or_have_gone() {
        for purge in [true, false] {
            let mut recording = without_place(DestinationPolicy::default(), 10);
            let headers = [EXPIRING[0], EXPIRING[1], ("x-expires", "1000")];
            recording.send_with(0, "/queue/a", &headers, "m").unwrap();
            recording.at(100);
            recording.at(1000);
            assert_eq!(recording.broker.next_deadline(), Some(later(60_100)));
            assert_eq!(messages(&recording, "/queue/a"), Some((0, 1)), "they outlast its time");
            if purge {
                let queue = Destination::parse("/queue/a").unwrap();
                let purged = recording.broker.purge(later(1000), &queue, &mut recording.log);
                assert_eq!(purged, Some(1));
                recording.at(1000);
                assert_eq!(stored(&recording), []);
            } else {
                recording.disconnect(9);
                recording.at(60_100);
                assert_eq!(stored(&recording), [("/queue/DLQ.a".to_owned(), 1)]);
            }
            assert_eq!(messages(&recording, "/queue/a"), None);
        }
    }

    #[test]
    fn letters_that_others_have_sent_may_have_been_those_of_a_queue_that_is_no_more() {
        let mut recording = without_place(DestinationPolicy::default(), 10);
        for body in ["1", "2"] {
            recording.send_with(0, "/queue/a", &EXPIRING, body).unwrap();
        }
        recording.at(100);
        let queue = Destination::parse("/queue/a").unwrap();
        let from = recording.broker.routing.queue(&queue).unwrap().next_letter();
        recording.broker.purge(later(100), &queue, &mut recording.log);
        recording.send_with(200, "/queue/a", &EXPIRING, "3").unwrap();
        let letters = GivenUp { queue, from };
        recording.broker.operate(later(200), &mut recording.log, |operation| {
            recording.broker.send_dead_letters(&letters, 0, operation);
        });
        assert_eq!(messages(&recording, "/queue/a"), Some((0, 1)));
    }

    #[test]
    fn queues_that_drop_into_each_other_come_to_an_end() {
        let mut recording = Recording::with_options(|options| {
            options.policies.set_rest(one_at_most(QueueOverflow::DropHead));
        });
        let into = |name| {
            [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", name), PERSISTENT[0]]
        };
        for (queue, other) in [("/queue/a", "b"), ("/queue/b", "a"), ("/queue/a", "b")] {
            recording.send_with(0, queue, &into(other), "m").unwrap();
        }
        for queue in ["/queue/a", "/queue/b"] {
            assert_eq!(messages(&recording, queue), Some((1, 0)), "{queue}");
        }
        assert_eq!((recording.log.discarded, recording.log.waiting), (1, 0));
        let expected = ["/queue/a", "/queue/b"].map(|queue| (queue.to_owned(), 1));
        assert_eq!(stored(&recording), expected);
        assert_eq!(recording.broker.next_deadline(), None, "nothing goes round again");
    }

    #[test]
    fn dead_letters_wait_for_a_queue_that_is_not_to_be_created_for_them() {
        let mut recording = Recording::with_options(|options| {
            let place = Destination::parse("/amq/queue/dead").unwrap();
            let dead_letters = DeadLetters::To(place);
            options.policies.set_rest(DestinationPolicy { dead_letters, ..Default::default() });
        });
        recording.send_with(0, "/queue/a", &EXPIRING, "m").unwrap();
        recording.at(100);
        assert_eq!(messages(&recording, "/queue/a"), Some((0, 1)));
        recording.subscribe(1, "d", "/queue/dead", AckMode::Auto).unwrap();
        recording.at(60_100);
        assert_eq!(recording.bodies(), to(&[(1, "m")]));
        assert_eq!(recording.log.discarded, 0);
    }
}
