//! What queues do beyond handing out messages in order, seen from outside.

use crate::acknowledgement::{AckTarget, NackAction};
use crate::broker::{Action, CommitFailure, Consumers, Selection};
use crate::destination::{Destination, DestinationError};
use crate::error::{MoveError, MoveFailure, SendError, SubscribeError};
use crate::options::Unprepared;
use crate::policy::{DestinationPolicy, RedeliveryDelay};
use crate::record::{Change, Position, QueueDefinition, QueueId, StoredMessage, StoredQueue};
use crate::recording::{Recording, later, now, request, sender, to};
use crate::sink::Storage;
use crate::stomp::{AckMode, Headers};
use crate::subscription::SessionKey;
use bytes::Bytes;
use std::time::Duration;

const AUTO: AckMode = AckMode::Auto;
const CLIENT: AckMode = AckMode::Client;
const INDIVIDUAL: AckMode = AckMode::ClientIndividual;

fn with_policy(change: impl FnOnce(&mut DestinationPolicy)) -> Recording {
    let mut policy = DestinationPolicy::default();
    change(&mut policy);
    Recording::with_options(|options| options.policies.set_rest(policy))
}

fn dead(recording: &Recording, queue: &str) -> Vec<(String, String)> {
    let name = Destination::parse(queue).unwrap();
    let letters = recording.broker.peek(&name, usize::MAX).unwrap_or_default();
    let shown = letters.iter().map(|(message, _)| {
        let reason = message.headers.get("x-death-reason").unwrap_or_default();
        (String::from_utf8(message.body.to_vec()).unwrap(), reason.to_owned())
    });
    shown.collect()
}

/// A message as it is found in the store.
fn stored_message(headers: &[(&str, &str)]) -> StoredMessage {
    let headers: Vec<_> = headers.iter().copied().chain([("persistent", "true")]).collect();
    let mut sender = Recording::new();
    sender.send_with(0, "/queue/x", &headers, "m").unwrap();
    let Some(Change::Put { message, .. }) = sender.log.changes.pop() else { panic!("no put") };
    let mut record = Vec::new();
    message.write_record(&mut record);
    StoredMessage::read_record(&record).unwrap()
}

fn pair(body: &str, reason: &str) -> (String, String) {
    (body.to_owned(), reason.to_owned())
}

#[test]
fn urgent_messages_go_first_and_equals_in_order() {
    let mut recording = Recording::new();
    for (body, priority) in [("a", "1"), ("b", ""), ("c", "9"), ("d", "4"), ("e", "99")] {
        recording.send_with(0, "/queue/x", &[("priority", priority)], body).unwrap();
    }
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "c"), (1, "e"), (1, "b"), (1, "d"), (1, "a")]));
}

#[test]
fn consumers_of_a_higher_priority_go_first_as_long_as_they_can() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/queue/x", CLIENT, &[]).unwrap();
    let high = [("x-priority", "5"), ("prefetch-count", "2")];
    recording.subscribe_to(2, "/queue/x", CLIENT, &high).unwrap();
    recording.send_all("/queue/x", &["1", "2", "3"]);
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "2"), (1, "3")]));
}

#[test]
fn an_exclusive_consumer_gets_everything_until_it_leaves() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/queue/x", AUTO, &[]).unwrap();
    recording.subscribe_to(2, "/queue/x", AUTO, &[("activemq.exclusive", "true")]).unwrap();
    recording.send_all("/queue/x", &["1", "2"]);
    recording.disconnect(2);
    recording.send_all("/queue/x", &["3"]);
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "2"), (1, "3")]));
}

#[test]
fn a_consumer_that_wants_to_be_alone_is_alone() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/queue/x", AUTO, &[("exclusive", "true")]).unwrap();
    let refused = recording.subscribe_to(2, "/queue/x", AUTO, &[]);
    assert!(matches!(refused, Err(SubscribeError::Exclusive { .. })));
    recording.disconnect(1);
    recording.subscribe_to(2, "/queue/x", AUTO, &[]).unwrap();
}

#[test]
fn a_selector_leaves_the_rest_to_others() {
    let mut recording = Recording::new();
    recording.send_with(0, "/queue/x", &[("color", "red")], "1").unwrap();
    recording.send_with(0, "/queue/x", &[("color", "blue")], "2").unwrap();
    recording.subscribe_to(1, "/queue/x", INDIVIDUAL, &[("selector", "color = 'blue'")]).unwrap();
    recording.send_with(0, "/queue/x", &[("color", "red")], "3").unwrap();
    recording.send_with(0, "/queue/x", &[("color", "blue")], "4").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "2"), (1, "4")]));
    recording.subscribe_to(2, "/queue/x", AUTO, &[]).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "3")]));
    recording.disconnect(1);
    assert_eq!(recording.bodies(), to(&[(2, "2"), (2, "4")]));
}

#[test]
fn a_selective_consumer_looks_again_at_what_comes_back() {
    let mut recording = Recording::new();
    let blue = [("selector", "color = 'blue'"), ("prefetch-count", "1")];
    recording.send_with(0, "/queue/x", &[("color", "blue")], "1").unwrap();
    recording.subscribe_to(1, "/queue/x", INDIVIDUAL, &[]).unwrap();
    recording.subscribe_to(2, "/queue/x", INDIVIDUAL, &blue).unwrap();
    recording.send_with(0, "/queue/x", &[("color", "blue")], "2").unwrap();
    let ack = recording.take().into_iter().find(|got| got.session == 2).unwrap();
    assert_eq!(ack.body, "2");
    recording.disconnect(1);
    recording.ack(2, &ack.ack.unwrap()).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1")]));
}

#[test]
fn a_topic_asks_the_selectors_of_its_subscribers() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/topic/x", AUTO, &[]).unwrap();
    recording.subscribe_to(2, "/topic/*", AUTO, &[("selector", "n > 1")]).unwrap();
    assert_eq!(recording.send_with(0, "/topic/x", &[("n", "1")], "1").unwrap().subscribers, 1);
    assert_eq!(recording.send_with(0, "/topic/x", &[("n", "2")], "2").unwrap().subscribers, 2);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2"), (2, "2")]));
    recording.disconnect(2);
    recording.disconnect(1);
    assert_eq!(recording.broker.stats().destinations, 0);
}

#[test]
fn a_selector_that_is_none_is_refused() {
    let mut recording = Recording::new();
    let refused = recording.subscribe_to(1, "/queue/x", AUTO, &[("selector", "a =")]);
    assert!(matches!(refused, Err(SubscribeError::InvalidSelector(_))));
}

#[test]
fn a_browser_sees_what_waits_and_takes_nothing() {
    let mut recording = Recording::new();
    recording.send_all("/queue/x", &["1", "2"]);
    recording.subscribe_to(1, "/queue/x", AUTO, &[("browser", "true")]).unwrap();
    recording.send_all("/queue/x", &["3"]);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2"), (1, "[end]")]));
    recording.disconnect(1);
    recording.subscribe(2, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "2"), (2, "3")]));
}

#[test]
fn what_expires_is_a_dead_letter_whoever_says_when() {
    let mut recording = Recording::new();
    recording.send_with(1000, "/queue/x", &[("expires", "1700000003000")], "absolute").unwrap();
    recording.send_with(1000, "/queue/x", &[("expiration", "1000")], "relative").unwrap();
    recording.send_with(1000, "/queue/x", &[("expires", "0")], "never").unwrap();
    recording.send_with(1000, "/queue/y", &[("x-message-ttl", "500")], "by the queue").unwrap();
    assert_eq!(recording.broker.next_deadline(), Some(later(1500)));
    recording.at(1999);
    assert_eq!(dead(&recording, "/queue/DLQ.y"), [pair("by the queue", "expired")]);
    assert_eq!(dead(&recording, "/queue/DLQ.x"), []);
    recording.at(3000);
    let expected = [pair("relative", "expired"), pair("absolute", "expired")];
    assert_eq!(dead(&recording, "/queue/DLQ.x"), expected);
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "never")]));
}

#[test]
fn what_has_expired_is_not_delivered_although_nobody_looked_at_the_clock() {
    let mut recording = Recording::new();
    recording.send_with(0, "/queue/x", &[("expiration", "1")], "late").unwrap();
    recording.send_with(5, "/queue/x", &[], "here").unwrap();
    let name = Destination::parse("/queue/x").unwrap();
    let mut request = crate::recording::request(1, "a", "/queue/x", AUTO);
    request.destination = name.as_str();
    let late = later(5);
    recording.broker.subscribe(late, request, |_| {}, &mut recording.log).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "here")]));
}

#[test]
fn nobody_is_to_be_told_the_time_for_what_is_gone() {
    let mut recording = Recording::new();
    for expiration in (1..100).rev() {
        let expiration = expiration.to_string();
        recording.send_with(0, "/queue/x", &[("expiration", &expiration)], "m").unwrap();
        recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
        recording.unsubscribe(1, "a");
        assert_eq!(recording.bodies(), to(&[(1, "m")]));
        assert_eq!(recording.broker.next_deadline(), None);
    }
}

#[test]
fn an_expiry_that_is_no_number_is_refused() {
    let mut recording = Recording::new();
    let refused = recording.send_with(0, "/queue/x", &[("expires", "soon")], "m");
    assert!(matches!(refused, Err(SendError::InvalidHeader(_))));
}

#[test]
fn a_message_that_is_refused_again_and_again_becomes_a_dead_letter() {
    let mut recording = with_policy(|policy| policy.deliveries_max = 3);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.send_all("/queue/x", &["m"]);
    for count in 1..=3 {
        let got = recording.take().remove(0);
        assert_eq!(got.delivery_count, count);
        recording.nack(1, &got.ack.unwrap(), NackAction::Requeue).unwrap();
    }
    assert_eq!(recording.take(), []);
    assert_eq!(dead(&recording, "/queue/DLQ.x"), [pair("m", "delivery-limit")]);
}

#[test]
fn a_message_that_ends_its_consumers_becomes_a_dead_letter() {
    let mut recording = with_policy(|policy| policy.deliveries_max = 3);
    recording.send_all("/queue/x", &["poison", "good", "better"]);
    for count in 1..=3 {
        let consumer = u64::from(count);
        recording.subscribe(consumer, "a", "/queue/x", INDIVIDUAL).unwrap();
        let counts: Vec<u32> = recording.take().iter().map(|got| got.delivery_count).collect();
        assert_eq!(counts, [count; 3]);
        recording.disconnect(consumer);
    }
    assert_eq!(dead(&recording, "/queue/DLQ.x"), [pair("poison", "delivery-limit")]);
    recording.subscribe(4, "a", "/queue/x", INDIVIDUAL).unwrap();
    assert_eq!(recording.take().len(), 2, "nobody knows that these are at fault");
}

#[test]
fn a_message_is_delivered_again_after_a_delay_that_grows() {
    let second = Duration::from_secs(1);
    let delay = RedeliveryDelay { first: second, factor: 2, max: 60 * second };
    let mut recording = with_policy(|policy| policy.redelivery_delay = delay);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.send_all("/queue/x", &["m"]);
    for wait in [1000, 2000, 4000] {
        let got = recording.take().remove(0);
        recording.nack(1, &got.ack.unwrap(), NackAction::Requeue).unwrap();
        assert_eq!(recording.stats("/queue/x").unwrap().delayed, 1);
        recording.at(wait - 1);
        assert_eq!(recording.take(), []);
        recording.at(wait);
    }
    assert_eq!(recording.take().remove(0).delivery_count, 4);
}

#[test]
fn a_message_waits_until_the_time_that_its_sender_has_said() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    let delay = |milliseconds| [("AMQ_SCHEDULED_DELAY", milliseconds)];
    assert_eq!(recording.send_with(7, "/queue/x", &delay("100"), "1").unwrap().subscribers, 0);
    recording.send_with(7, "/queue/x", &delay("0"), "2").unwrap();
    recording.send_with(7, "/queue/x", &delay("50"), "3").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "2")]));
    assert_eq!(recording.stats("/queue/x").unwrap().delayed, 2);
    assert_eq!(recording.broker.next_deadline(), Some(later(57)));
    recording.at(57);
    assert_eq!(recording.bodies(), to(&[(1, "3")]));
    recording.at(106);
    assert_eq!(recording.bodies(), to(&[]));
    recording.at(107);
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
    assert_eq!(recording.log.headers.last().unwrap().get("AMQ_SCHEDULED_DELAY"), None);
    let refused = recording.send_with(0, "/queue/x", &delay("soon"), "m").unwrap_err();
    assert!(refused.to_string().contains("AMQ_SCHEDULED_DELAY"), "{refused}");
}

#[test]
fn a_message_that_expires_before_its_time_is_a_dead_letter_then_and_waits_no_more() {
    let mut recording = Recording::new();
    let headers = [("AMQ_SCHEDULED_DELAY", "100"), ("expiration", "50")];
    recording.send_with(0, "/queue/x", &headers, "m").unwrap();
    recording.subscribe(1, "a", "/queue/DLQ.x", AUTO).unwrap();
    recording.at(100);
    assert_eq!(recording.bodies(), to(&[(1, "m")]));
    assert_eq!(recording.stats("/queue/x"), None);
}

#[test]
fn the_time_of_a_message_is_stored() {
    let name = Destination::parse("/queue/x").unwrap();
    let mut stored = StoredQueue::new(QueueId(7), QueueDefinition::new(name), Position(0));
    stored.messages.push((Position(5), stored_message(&[("AMQ_SCHEDULED_DELAY", "100")])));
    let mut recording = Recording::new();
    recording.broker.recover(later(60), vec![stored], &mut recording.log).unwrap();
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.broker.next_deadline(), Some(later(100)));
    recording.at(99);
    assert_eq!(recording.bodies(), to(&[]));
    recording.at(100);
    assert_eq!(recording.bodies(), to(&[(1, "m")]));
}

#[test]
fn a_message_that_finds_a_queue_full_can_be_offered_again() {
    let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
    recording.send("/queue/a", "1").unwrap();
    for destination in ["/queue/a", "/topic/t,/queue/a"] {
        let mut body = Bytes::from("2");
        let mut offer = |body: &mut Bytes| {
            let destination = Destination::parse(destination).unwrap();
            let headers = Headers::default();
            recording.broker.offer(now(), None, destination, headers, body, &mut recording.log)
        };
        assert!(offer(&mut body).unwrap_err().full_queue().is_some());
        assert_eq!(body, "2");
    }
    recording.subscribe(1, "a", "/queue/a", AckMode::Auto).unwrap();
    let mut body = Bytes::from("2");
    let queue = Destination::parse("/queue/a").unwrap();
    let (broker, log) = (&recording.broker, &mut recording.log);
    broker.offer(now(), None, queue, Headers::default(), &mut body, log).unwrap();
    assert_eq!((recording.bodies(), body), (to(&[(1, "1"), (1, "2")]), Bytes::new()));
}

#[test]
fn a_full_queue_drops_what_its_client_asked_it_to() {
    let mut recording = Recording::new();
    let length = [("x-max-length", "2")];
    for body in ["1", "2", "3"] {
        recording.send_with(0, "/queue/x", &length, body).unwrap();
    }
    assert_eq!(dead(&recording, "/queue/DLQ.x"), [pair("1", "maxlen")]);
    let new = [("x-max-length", "1"), ("x-overflow", "reject-publish-dlx")];
    for body in ["1", "2"] {
        recording.send_with(0, "/queue/y", &new, body).unwrap();
    }
    assert_eq!(dead(&recording, "/queue/DLQ.y"), [pair("2", "maxlen")]);
    let refuse = [("x-max-length", "1"), ("x-overflow", "reject-publish")];
    recording.send_with(0, "/queue/z", &refuse, "1").unwrap();
    let refused = recording.send_with(0, "/queue/z", &refuse, "2");
    assert!(matches!(refused, Err(SendError::QueueRefuses { .. })));
    assert!(refused.unwrap_err().full_queue().is_none(), "nobody waits for room");
    recording.subscribe(1, "a", "/queue/z", AUTO).unwrap();
    assert_eq!((recording.bodies(), recording.log.rooms), (to(&[(1, "1")]), 0));
    recording.send_with(0, "/queue/z", &refuse, "3").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "3")]));
}

#[test]
fn a_queue_with_arguments_is_forgotten_as_any_other() {
    let mut recording = Recording::new();
    let length = |length| [("persistent", "true"), ("x-max-length", length)];
    recording.send_with(0, "/queue/x", &length("5"), "1").unwrap();
    recording.subscribe_to(1, "/queue/x", AUTO, &[("x-max-length", "5")]).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
    assert!(recording.stats("/queue/x").is_some(), "it has a consumer");
    recording.disconnect(1);
    assert_eq!(recording.stats("/queue/x"), None);
    assert!(matches!(recording.log.changes.last(), Some(Change::Close { .. })));
    // Another one of its name has arguments of its own.
    recording.send_with(0, "/queue/x", &length("6"), "2").unwrap();
    let name = Destination::parse("/queue/x").unwrap();
    assert_eq!(recording.broker.purge(now(), &name, &mut recording.log), Some(1));
    assert_eq!(recording.stats("/queue/x"), None);
    recording.subscribe_to(1, "/queue/x", AUTO, &[("x-max-length", "7")]).unwrap();
    recording.disconnect(1);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_stored_queue_without_messages_is_forgotten_at_the_start() {
    let mut definition = QueueDefinition::new(Destination::parse("/queue/x").unwrap());
    definition.arguments.messages_max = Some(5);
    let stored = StoredQueue::new(QueueId(7), definition, Position(0));
    let mut recording = Recording::new();
    recording.broker.recover(later(0), vec![stored], &mut recording.log).unwrap();
    assert_eq!(recording.stats("/queue/x"), None);
    let changes = &recording.log.changes[..];
    assert!(matches!(changes, [Change::Close { queue: QueueId(7) }]), "{changes:?}");
}

#[test]
fn what_is_forgotten_at_the_start_does_not_count() {
    let stored = |(name, id)| {
        let mut definition = QueueDefinition::new(Destination::parse(name).unwrap());
        definition.arguments.messages_max = Some(5);
        StoredQueue::new(QueueId(id), definition, Position(0))
    };
    let mut kept = stored(("/queue/kept", 3));
    kept.messages.push((Position(0), stored_message(&[])));
    let stored = [("/queue/a", 1), ("/queue/b", 2)].map(stored).into_iter().chain([kept]);
    let mut recording = Recording::with_limits(|limits| limits.destinations_max = 1);
    recording.broker.recover(later(0), stored.collect(), &mut recording.log).unwrap();
    assert_eq!(recording.stats("/queue/kept").unwrap().ready, 1);
    let changes = &recording.log.changes[..];
    let [Change::Close { queue: QueueId(1) }, Change::Close { queue: QueueId(2) }] = changes else {
        panic!("{changes:?}");
    };
}

#[test]
fn a_queue_with_a_lease_is_there_for_so_long_also_empty() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/queue/x", AUTO, &[("x-expires", "1000")]).unwrap();
    recording.disconnect(1);
    assert!(recording.stats("/queue/x").is_some());
    recording.at(1000);
    assert_eq!(recording.stats("/queue/x"), None);
}

#[test]
fn what_is_asked_of_a_queue_stays_and_silence_agrees_with_it() {
    let mut recording = Recording::new();
    recording.send_with(0, "/queue/x", &[("x-max-length", "5")], "1").unwrap();
    recording.send_with(0, "/queue/x", &[], "2").unwrap();
    let refused = recording.send_with(0, "/queue/x", &[("x-max-length", "6")], "3");
    let Err(SendError::ArgumentDiffers { argument, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(argument, "x-max-length");
    let name = Destination::parse("/queue/x").unwrap();
    let (message, _) = recording.broker.peek(&name, 1).unwrap().remove(0);
    assert_eq!(message.headers, Headers::default(), "arguments are no part of the message");
}

#[test]
fn a_queue_that_nobody_uses_ends_when_it_was_to() {
    let mut recording = Recording::new();
    let headers = [("persistent", "true"), ("x-expires", "1000")];
    recording.send_with(0, "/queue/x", &headers, "m").unwrap();
    recording.at(999);
    assert_eq!(recording.stats("/queue/x").unwrap().ready, 1);
    let subscribe = request(1, "a", "/queue/x", INDIVIDUAL);
    let (broker, log) = (&recording.broker, &mut recording.log);
    broker.subscribe(later(999), subscribe, |_| {}, log).unwrap();
    broker.handle_timeout(later(5000), log);
    broker.unsubscribe(later(6000), SessionKey(1), "a", log);
    assert_eq!(broker.next_deadline(), Some(later(7000)));
    recording.at(6999);
    assert_eq!(recording.stats("/queue/x").unwrap().ready, 1);
    recording.at(7000);
    assert_eq!(recording.stats("/queue/x"), None);
    assert_eq!(recording.broker.next_deadline(), None);
    assert!(matches!(recording.log.changes.last(), Some(Change::Close { .. })));
    let at_once = recording.send_with(0, "/queue/x", &[("x-expires", "0")], "m");
    assert!(matches!(at_once, Err(SendError::InvalidHeader(_))), "{at_once:?}");
}

#[test]
fn a_queue_that_was_found_in_the_store_lasts_as_long_as_if_it_had_just_been_made() {
    let mut definition = QueueDefinition::new(Destination::parse("/queue/x").unwrap());
    definition.arguments.expires = Some(Duration::from_secs(1));
    let mut stored = StoredQueue::new(QueueId(7), definition, Position(0));
    stored.messages.push((Position(5), stored_message(&[])));
    let mut recording = Recording::new();
    recording.broker.recover(later(0), vec![stored], &mut recording.log).unwrap();
    assert!(recording.log.changes.is_empty(), "{:?}", recording.log.changes);
    assert_eq!(recording.broker.next_deadline(), Some(later(1000)));
    recording.at(1000);
    assert_eq!(recording.stats("/queue/x"), None);
}

#[test]
fn one_message_goes_to_several_destinations() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x,/topic/y", AUTO).unwrap();
    recording.send_all("/topic/y,/queue/x,/queue/z", &["m"]);
    assert_eq!(recording.bodies(), to(&[(1, "m"), (1, "m")]));
    assert_eq!(recording.stats("/queue/z").unwrap().ready, 1);
    recording.unsubscribe(1, "a");
    recording.send_all("/topic/y,/queue/x", &["n"]);
    assert_eq!(recording.bodies(), []);
}

#[test]
fn none_of_several_destinations_may_be_empty_but_blanks_may_stand_between_them() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x, /topic/y", AUTO).unwrap();
    recording.send_all("/topic/y , /queue/x", &["m"]);
    assert_eq!(recording.bodies(), to(&[(1, "m"), (1, "m")]));
    for name in ["/queue/x,,", "/queue/x,", ",/queue/x", "/queue/x,,/topic/y"] {
        let empty = DestinationError::EmptyPart;
        let refused = recording.send(name, "n").unwrap_err();
        assert_eq!(refused, SendError::InvalidDestination(empty), "{name}");
        let refused = recording.subscribe(1, "b", name, AUTO).unwrap_err();
        assert_eq!(refused, SubscribeError::InvalidDestination(empty), "{name}");
    }
    assert_eq!(recording.bodies(), []);
}

#[test]
fn a_subscription_to_several_destinations_is_made_as_a_whole() {
    let mut recording = Recording::new();
    recording.subscribe_to(1, "/queue/y", AUTO, &[("exclusive", "true")]).unwrap();
    let refused = recording.subscribe(2, "a", "/queue/x,/queue/y", AUTO);
    assert!(matches!(refused, Err(SubscribeError::Exclusive { .. })));
    recording.send_all("/queue/x", &["m"]);
    assert_eq!(recording.bodies(), []);
    recording.subscribe(2, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "m")]));
}

fn send(destination: &str) -> Action<'static> {
    let destination = Destination::parse(destination).unwrap();
    Action::Send { destination, headers: Headers::default(), body: "m".into() }
}

#[test]
fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 2);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.send_all("/queue/x", &["1"]);
    let ack = recording.take().remove(0).ack.unwrap();
    let (session, log) = (sender(&1), &mut recording.log);
    let acked = || Action::Ack(AckTarget::Ack(&ack));
    let too_many = vec![acked(), send("/queue/y"), send("/queue/y"), send("/queue/y")];
    let failed = recording.broker.commit(now(), session, too_many, log).unwrap_err();
    assert_eq!(failed.at, 3);
    assert!(matches!(failed.cause, CommitFailure::Send(SendError::TooMuchTogether { .. })));
    let told = tidings_stomp::Error::from(&failed);
    assert_eq!(told.message, "too much for a queue in a transaction");
    let advice = "at most 2 messages, and more are sent to it at once: send fewer in a transaction";
    assert!(told.body.contains(advice), "{}", told.body);
    let unknown = vec![send("/queue/y"), Action::Ack(AckTarget::Ack("1.99"))];
    let failed = recording.broker.commit(now(), session, unknown, log).unwrap_err();
    assert!(matches!((failed.at, failed.cause), (1, CommitFailure::Ack(_))));
    assert_eq!(recording.stats("/queue/x").unwrap().unsettled, 1);
    assert_eq!(recording.stats("/queue/y"), None);
    let log = &mut recording.log;
    let good = vec![acked(), send("/queue/y"), send("/queue/y")];
    recording.broker.commit(now(), session, good, log).unwrap();
    assert_eq!(recording.stats("/queue/x").unwrap().unsettled, 0);
    assert_eq!(recording.stats("/queue/y").unwrap().ready, 2);
}

#[test]
fn persistent_messages_are_refused_while_nothing_can_be_stored() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AckMode::Auto).unwrap();
    recording.log.storage = Some(Storage::Full);
    let persistent = [("persistent", "true")];
    let refused = recording.send_with(0, "/queue/x", &persistent, "m");
    assert_eq!(refused, Err(SendError::CannotStore { storage: Storage::Full }));
    assert_eq!(recording.stats("/queue/x"), None);
    let headers: Headers = persistent.into_iter().collect();
    let destination = Destination::parse("/queue/x").unwrap();
    let action = Action::Send { destination, headers, body: Bytes::new() };
    let log = &mut recording.log;
    let failed = recording.broker.commit(now(), sender(&1), vec![action], log).unwrap_err();
    assert!(matches!(failed.cause, CommitFailure::Send(SendError::CannotStore { .. })));
    recording.send("/queue/x", "m").unwrap();
    recording.send_with(0, "/topic/x", &persistent, "t").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "t")]));
    recording.log.storage = None;
    recording.send_with(0, "/queue/x", &persistent, "m").unwrap();
}

#[test]
fn operators_purge_delete_and_move() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.send_all("/queue/x", &["1", "2"]);
    for got in recording.take() {
        recording.nack(1, &got.ack.unwrap(), NackAction::Reject).unwrap();
    }
    let letters = Destination::parse("/queue/DLQ.x").unwrap();
    let log = &mut recording.log;
    let first = Selection::First(1);
    assert_eq!(recording.broker.move_messages(now(), &letters, None, first, log), Ok(1));
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
    let log = &mut recording.log;
    let nowhere = Destination::parse("/nowhere/x").unwrap();
    let refused = recording.broker.move_messages(now(), &letters, Some(&nowhere), first, log);
    assert!(matches!(refused, Err(MoveError { moved: 0, cause: MoveFailure::Send(_) })));
    let topic = Destination::parse("/topic/x").unwrap();
    let refused = recording.broker.move_messages(now(), &letters, Some(&topic), first, log);
    assert!(matches!(refused, Err(MoveError { moved: 0, cause: MoveFailure::NotAQueue { .. } })));
    let (left, _) = recording.broker.peek(&letters, 1).unwrap().remove(0);
    let other = Destination::parse("/queue/other").unwrap();
    let this = Selection::WithId(left.message_id.as_str());
    let log = &mut recording.log;
    assert_eq!(recording.broker.move_messages(now(), &letters, Some(&other), this, log), Ok(1));
    let none = recording.broker.move_messages(now(), &letters, None, first, log);
    assert!(matches!(none, Err(MoveError { cause: MoveFailure::NoSuchQueue, .. })));
    // What was never a dead letter has nowhere to go back to.
    assert_eq!(recording.broker.move_messages(now(), &other, None, first, log), Ok(0));
    let back = recording.broker.move_messages(now(), &other, Some(&letters), first, log);
    assert_eq!(back, Ok(1));
    assert_eq!(recording.broker.purge(now(), &letters, log), Some(1));
    assert_eq!(recording.broker.purge(now(), &letters, log), None);
    let x = Destination::parse("/queue/x").unwrap();
    assert!(
        recording.broker.delete_queue(now(), &x, Consumers::Keep, log).is_err(),
        "it is in use"
    );
    recording.disconnect(1);
    recording.broker.delete_queue(now(), &x, Consumers::Keep, &mut recording.log).unwrap();
    assert_eq!(recording.stats("/queue/x"), None);
}

#[test]
fn what_has_nowhere_to_go_back_to_keeps_no_dead_letter_behind_it() {
    let mut recording = Recording::new();
    recording.send_all("/queue/DLQ.x", &["plain", "too"]);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.send_all("/queue/x", &["1", "2"]);
    for got in recording.take() {
        recording.nack(1, &got.ack.unwrap(), NackAction::Reject).unwrap();
    }
    let letters = Destination::parse("/queue/DLQ.x").unwrap();
    for expected in [Ok(1), Ok(1), Ok(0)] {
        let (first, log) = (Selection::First(1), &mut recording.log);
        assert_eq!(recording.broker.move_messages(now(), &letters, None, first, log), expected);
    }
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2")]));
    assert_eq!(recording.stats("/queue/DLQ.x").unwrap().ready, 2);
}

#[test]
fn who_waits_for_room_is_told_when_the_queue_ends() {
    let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
    recording.send("/queue/x", "1").unwrap();
    recording.send("/queue/x", "2").unwrap_err();
    let (queue, log) = (Destination::parse("/queue/x").unwrap(), &mut recording.log);
    recording.broker.delete_queue(now(), &queue, Consumers::Keep, log).unwrap();
    assert_eq!(recording.log.rooms, 1);
}

#[test]
fn persistent_messages_are_stored_until_they_are_settled() {
    let mut recording = Recording::new();
    let persistent = [("persistent", "true")];
    recording.send_with(0, "/queue/x", &persistent, "1").unwrap();
    recording.send_with(0, "/queue/x", &[], "2").unwrap();
    let kinds = |recording: &mut Recording| {
        let changes = std::mem::take(&mut recording.log.changes);
        changes.iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&mut recording), ["open", "put"]);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    assert_eq!(kinds(&mut recording), ["mark"], "before it is delivered");
    for got in recording.take() {
        recording.ack(1, &got.ack.unwrap()).unwrap();
    }
    assert_eq!(kinds(&mut recording), ["remove"]);
    recording.disconnect(1);
    assert_eq!(kinds(&mut recording), ["close"]);
}

fn kind(change: &Change) -> &'static str {
    match change {
        Change::Open { .. } => "open",
        Change::Close { .. } => "close",
        Change::Mark { .. } => "mark",
        Change::Put { .. } => "put",
        Change::Remove { .. } => "remove",
    }
}

#[test]
fn what_was_stored_comes_back_in_order_and_marked_if_it_may_have_been_delivered() {
    let mut recording = Recording::new();
    let name = Destination::parse("/queue/x").unwrap();
    let mut stored = StoredQueue::new(QueueId(7), QueueDefinition::new(name), Position(6));
    for (position, body) in [(5, "old"), (6, "new")] {
        let mut sender = Recording::new();
        sender.send_with(0, "/queue/x", &[("persistent", "true")], body).unwrap();
        let put = sender.log.changes.pop().unwrap();
        let Change::Put { message, .. } = put else { panic!("{put:?}") };
        let mut record = Vec::new();
        message.write_record(&mut record);
        let message = StoredMessage::read_record(&record).unwrap();
        stored.messages.push((Position(position), message));
    }
    recording.broker.recover(now(), vec![stored], &mut recording.log).unwrap();
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    let got: Vec<_> =
        recording.take().into_iter().map(|got| (got.body, got.delivery_count)).collect();
    assert_eq!(got, [("old".to_owned(), 2), ("new".to_owned(), 1)]);
    let removed = recording.log.changes.iter().filter(|change| kind(change) == "remove").count();
    assert_eq!(removed, 2);
}

#[test]
fn what_comes_while_a_subscription_waits_for_the_store_is_covered_by_its_mark() {
    let mut recording = Recording::new();
    let name = Destination::parse("/queue/x").unwrap();
    let mut stored = StoredQueue::new(QueueId(7), QueueDefinition::new(name), Position(6));
    let persistent = [("persistent", "true")];
    let mut sender = Recording::new();
    sender.send_with(0, "/queue/x", &persistent, "old").unwrap();
    let Some(Change::Put { message, .. }) = sender.log.changes.pop() else { panic!("no put") };
    let mut record = Vec::new();
    message.write_record(&mut record);
    stored.messages.push((Position(5), StoredMessage::read_record(&record).unwrap()));
    recording.broker.recover(now(), vec![stored], &mut recording.log).unwrap();
    let subscribe = request(1, "a", "/queue/x", INDIVIDUAL);
    recording.broker.prepare_subscribe(now(), &subscribe, &mut recording.log);
    recording.send_with(0, "/queue/x", &persistent, "new").unwrap();
    let changes = std::mem::take(&mut recording.log.changes);
    assert_eq!(changes.iter().map(kind).collect::<Vec<_>>(), ["mark", "put"]);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    assert_eq!(recording.take().len(), 2);
    assert!(recording.log.changes.is_empty(), "a mark would come after what it covers has left");
}

#[test]
fn a_subscription_is_prepared_again_where_something_came_after_the_first_time() {
    let mut recording = Recording::with_options(|options| options.unprepared = Unprepared::Refuse);
    let persistent = [("persistent", "true")];
    let subscribe = request(1, "a", "/queue/x", INDIVIDUAL);
    let unprepared = |recording: &mut Recording| {
        let refused = recording.subscribe(1, "a", "/queue/x", INDIVIDUAL);
        assert!(matches!(refused, Err(SubscribeError::Unprepared { .. })), "{refused:?}");
        recording.log.changes.clear();
        recording.broker.prepare_subscribe(now(), &subscribe, &mut recording.log);
        let changes = std::mem::take(&mut recording.log.changes);
        assert_eq!(changes.iter().map(kind).collect::<Vec<_>>(), ["mark"]);
    };
    recording.broker.prepare_subscribe(now(), &subscribe, &mut recording.log);
    assert!(recording.log.changes.is_empty(), "there is no such queue yet");
    recording.send_with(0, "/queue/x", &persistent, "first").unwrap();
    unprepared(&mut recording);
    // More than a mark is set ahead for.
    for _ in 0..5000 {
        recording.send_with(0, "/queue/x", &persistent, "more").unwrap();
    }
    unprepared(&mut recording);
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    assert!(!recording.take().is_empty());
}

#[test]
fn a_window_in_octets_is_for_what_is_not_settled() {
    let check = |header: (&str, &str), expected: usize| {
        let mut recording = Recording::new();
        recording.subscribe_to(1, "/queue/x", INDIVIDUAL, &[header]).unwrap();
        recording.send_all("/queue/x", &["12345", "12345", "12345", "12345"]);
        let got = recording.take();
        assert_eq!(got.len(), expected, "{header:?}");
        recording.ack(1, got[0].ack.as_ref().unwrap()).unwrap();
        let next = recording.take().len();
        assert_eq!(next, usize::from(expected < 4), "{header:?}");
    };
    check(("consumer-window-size", "10"), 2);
    check(("consumer-window-size", "11"), 3);
    check(("consumer-window-size", "0"), 1);
    check(("consumer-window-size", "-1"), 4);
    check(("credit", "2"), 2);
    check(("credit", "10,10"), 2);
    let refused = Recording::new().subscribe_to(
        1,
        "/queue/x",
        INDIVIDUAL,
        &[("consumer-window-size", "much")],
    );
    assert!(matches!(refused, Err(SubscribeError::InvalidHeader(_))), "{refused:?}");
}
