use super::state::DUE_MAX;
use super::*;
use crate::acknowledgement::NackAction;
use crate::error::{AckError, QueueLimit, SendError};
use crate::recording::{Got, Log, Recording, later, now, to};
use crate::session::ENDED_MAX;
use crate::sink::Delivered;
use crate::stomp::AckMode;

const AUTO: AckMode = AckMode::Auto;
const CLIENT: AckMode = AckMode::Client;
const INDIVIDUAL: AckMode = AckMode::ClientIndividual;
const QUEUE: &str = "/queue/x";

/// A queue with messages 1, 2, 3, all of them with session 1, unsettled.
fn three_unsettled(mode: AckMode) -> (Recording, [String; 3]) {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, mode).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3"]);
    let acks = acks(&recording.take());
    let acks = acks.try_into().expect("three deliveries");
    assert_eq!(counts(&recording), (0, 3));
    (recording, acks)
}

fn acks(got: &[Got]) -> Vec<String> {
    got.iter().map(|got| got.ack.clone().expect("an ack id")).collect()
}

/// How many messages are ready, and how many unsettled.
fn counts(recording: &Recording) -> (usize, usize) {
    recording.stats(QUEUE).map_or((0, 0), |stats| (stats.ready, stats.unsettled))
}

#[test]
fn a_queue_that_has_ended_takes_no_arguments() {
    let (name, options) = (Destination::parse(QUEUE).unwrap(), Arc::default());
    let queue = Queue::<u64>::new(name, Role::Named, QueueId(1), &options);
    let mut log = Log::default();
    let mut operation = Operation::new(now(), &mut log);
    queue.retire(&mut operation).unwrap();
    let arguments = QueueArguments { messages_max: Some(1), ..QueueArguments::NONE };
    assert_eq!(queue.declare(&arguments, &mut operation), Err(Refusal::Retired));
    assert!(log.changes.is_empty(), "the store would have a queue of which nobody knows");
}

#[test]
fn others_come_in_between_while_very_much_is_due() {
    let mut recording = Recording::new();
    for number in 0..DUE_MAX + 1 {
        let header = if number % 2 == 0 { "expiration" } else { "AMQ_SCHEDULED_DELAY" };
        recording.send_with(0, QUEUE, &[(header, "100")], "m").unwrap();
    }
    let due = Some(later(100));
    let broker = &recording.broker;
    assert_eq!(broker.next_deadline(), due);
    broker.handle_timeout(later(100), &mut recording.log);
    assert_eq!(broker.next_deadline(), due);
    assert_eq!(recording.stats(QUEUE).unwrap().delayed, 1);
    recording.at(100);
    assert_eq!(recording.broker.next_deadline(), None);
    assert_eq!(counts(&recording), (DUE_MAX / 2, 0));
}

#[test]
fn consumers_take_turns() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, AUTO).unwrap();
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    recording.subscribe(2, "b", QUEUE, AUTO).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3", "4"]);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (2, "2"), (2, "3"), (1, "4")]));
}

#[test]
fn messages_wait_for_a_consumer_and_come_in_order() {
    let mut recording = Recording::new();
    recording.send_all(QUEUE, &["1", "2", "3"]);
    assert_eq!(counts(&recording), (3, 0));
    recording.subscribe(1, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2"), (1, "3")]));
    assert_eq!(counts(&recording), (0, 0));
}

#[test]
fn sending_says_whether_the_message_has_to_wait() {
    let mut recording = Recording::new();
    assert_eq!(recording.send(QUEUE, "1").unwrap().subscribers, 0);
    recording.subscribe_with(1, "a", QUEUE, CLIENT, Some(2)).unwrap();
    assert_eq!(recording.send(QUEUE, "2").unwrap().subscribers, 1);
    assert_eq!(recording.send(QUEUE, "3").unwrap().subscribers, 0);
}

#[test]
fn auto_consumes_on_delivery() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, AUTO).unwrap();
    recording.send_all(QUEUE, &["1"]);
    let got = recording.take().remove(0);
    assert_eq!((got.ack, got.delivery_count), (None, 1));
    recording.ack_message(1, Some("a"), &got.message_id).unwrap();
    recording.disconnect(1);
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), []);
}

#[test]
fn client_acknowledges_all_earlier_deliveries() {
    let (mut recording, acks) = three_unsettled(CLIENT);
    recording.ack(1, &acks[1]).unwrap();
    assert_eq!(counts(&recording), (0, 1));
    recording.disconnect(1);
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "3")]));
}

#[test]
fn client_acknowledges_its_own_subscription_only() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, CLIENT).unwrap();
    recording.subscribe(1, "b", QUEUE, CLIENT).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3", "4"]);
    let acks = acks(&recording.take());
    recording.ack(1, &acks[3]).unwrap();
    recording.disconnect(1);
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "3")]));
}

#[test]
fn client_individual_acknowledges_one_delivery() {
    let (mut recording, acks) = three_unsettled(INDIVIDUAL);
    recording.ack(1, &acks[1]).unwrap();
    assert_eq!(counts(&recording), (0, 2));
    recording.disconnect(1);
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "3")]));
}

#[test]
fn cumulative_follows_the_order_of_delivery_not_of_the_queue() {
    let mut recording = Recording::new();
    recording.subscribe_with(1, "a", QUEUE, INDIVIDUAL, Some(1)).unwrap();
    recording.subscribe(2, "b", QUEUE, CLIENT).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3"]);
    recording.unsubscribe(1, "a");
    let got = recording.take();
    let order: Vec<_> = got.iter().map(|got| (got.session, got.body.as_str())).collect();
    assert_eq!(order, [(1, "1"), (2, "2"), (2, "3"), (2, "1")]);
    recording.ack(2, got[2].ack.as_ref().unwrap()).unwrap();
    assert_eq!(counts(&recording), (0, 1), "message 1 came last");
    recording.ack(2, got[3].ack.as_ref().unwrap()).unwrap();
    assert_eq!(counts(&recording), (0, 0));
}

#[test]
fn an_ack_may_name_the_message() {
    for subscription in [Some("a"), None] {
        let mut recording = Recording::new();
        recording.subscribe(1, "z", "/queue/other", INDIVIDUAL).unwrap();
        recording.subscribe(1, "a", QUEUE, INDIVIDUAL).unwrap();
        recording.send_all(QUEUE, &["1", "2"]);
        let got = recording.take();
        recording.ack_message(1, subscription, &got[1].message_id).unwrap();
        assert_eq!(counts(&recording), (0, 1));
        recording.ack(1, &got[0].message_id).unwrap();
        assert_eq!(counts(&recording), (0, 0), "also where an ack id belongs");
    }
}

#[test]
fn an_unknown_or_repeated_ack_is_refused() {
    let (mut recording, acks) = three_unsettled(INDIVIDUAL);
    recording.ack(1, &acks[0]).unwrap();
    for id in [acks[0].as_str(), "", "x", "1.99", "2.1", "99.1", "m-99", "m-1"] {
        let refused = Err(AckError::UnknownDelivery { id: id.into() });
        assert_eq!(recording.ack(1, id), refused, "{id}");
        assert_eq!(recording.nack(1, id, NackAction::Requeue), refused, "{id}");
    }
    assert!(recording.ack_message(1, Some("a"), "m-1").is_err());
    assert!(recording.ack(2, &acks[1]).is_err(), "another session");
    assert_eq!(counts(&recording), (0, 2));
}

#[test]
fn an_ack_that_names_a_subscription_that_never_was_is_unknown() {
    let (mut recording, _) = three_unsettled(INDIVIDUAL);
    assert!(recording.ack_message(1, Some("typo"), "m-1").is_err());
    recording.unsubscribe(1, "a");
    assert_eq!(recording.ack_message(1, Some("a"), "m-1"), Ok(()), "it crossed the end");
    assert_eq!(recording.ack_message(1, None, "m-1"), Ok(()), "it crossed the end");
    assert!(recording.ack_message(1, Some("typo"), "m-1").is_err());
    for id in 0..ENDED_MAX {
        recording.subscribe(1, &id.to_string(), "/topic/t", AUTO).unwrap();
        recording.unsubscribe(1, &id.to_string());
    }
    assert!(recording.ack_message(1, Some("a"), "m-1").is_err(), "so many are not remembered");
}

#[test]
fn an_ack_that_crosses_the_end_of_its_subscription_changes_nothing() {
    let (mut recording, acks) = three_unsettled(CLIENT);
    recording.unsubscribe(1, "a");
    for id in ["b", "a"] {
        recording.ack(1, &acks[2]).unwrap();
        recording.ack_message(1, Some("a"), "m-3").unwrap();
        recording.ack_message(1, None, "m-3").unwrap();
        assert_eq!(counts(&recording), (3, 0));
        // Whatever else the session has.
        recording.subscribe(1, id, "/queue/other", CLIENT).unwrap();
    }
    assert!(recording.ack_message(1, Some("b"), "m-3").is_err(), "that one has not ended");
}

#[test]
fn another_session_cannot_settle_a_delivery() {
    let (mut recording, acks) = three_unsettled(CLIENT);
    recording.subscribe(2, "a", QUEUE, CLIENT).unwrap();
    assert!(recording.ack(2, &acks[2]).is_err());
    assert!(recording.ack_message(2, Some("a"), "m-3").is_err());
    assert!(recording.ack_message(2, None, "m-3").is_err());
    assert_eq!(counts(&recording), (0, 3));
}

#[test]
fn a_nack_requeues_in_place_and_counts_deliveries() {
    let (mut recording, acks) = three_unsettled(INDIVIDUAL);
    recording.broker.pause(crate::SessionKey(1));
    recording.nack(1, &acks[2], NackAction::Requeue).unwrap();
    recording.nack(1, &acks[0], NackAction::Requeue).unwrap();
    assert_eq!(counts(&recording), (2, 1));
    recording.resume(1);
    let got = recording.take();
    let again: Vec<_> = got.iter().map(|got| (got.body.as_str(), got.delivery_count)).collect();
    assert_eq!(again, [("1", 2), ("3", 2)]);
    assert!(got.iter().all(|got| !acks.contains(got.ack.as_ref().unwrap())), "ack ids are new");
}

#[test]
fn a_nack_in_client_mode_covers_earlier_deliveries() {
    let (mut recording, acks) = three_unsettled(CLIENT);
    recording.nack(1, &acks[1], NackAction::Reject).unwrap();
    assert_eq!(counts(&recording), (0, 1));
    recording.disconnect(1);
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "3")]));
}

#[test]
fn unsettled_messages_return_to_their_places() {
    let mut recording = Recording::new();
    recording.subscribe_with(1, "a", QUEUE, CLIENT, Some(2)).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3", "4"]);
    recording.take();
    recording.unsubscribe(1, "a");
    assert_eq!(counts(&recording), (4, 0));
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    let got = recording.take();
    let order: Vec<_> = got.iter().map(|got| (got.body.as_str(), got.delivery_count)).collect();
    assert_eq!(order, [("1", 2), ("2", 2), ("3", 1), ("4", 1)]);
}

#[test]
fn what_a_session_leaves_goes_to_other_sessions_only() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, CLIENT).unwrap();
    recording.send_all(QUEUE, &["1", "2"]);
    recording.subscribe(1, "b", QUEUE, AUTO).unwrap();
    recording.subscribe_with(2, "a", QUEUE, CLIENT, Some(1)).unwrap();
    recording.take();
    recording.disconnect(1);
    assert_eq!(recording.bodies(), to(&[(2, "1")]));
    assert_eq!(counts(&recording), (1, 1));
}

#[test]
fn prefetch_limits_the_unsettled_messages() {
    let mut recording = Recording::with_limits(|limits| limits.prefetch_default = 2);
    recording.subscribe(1, "a", QUEUE, CLIENT).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3", "4"]);
    let got = recording.take();
    assert_eq!(got.len(), 2, "the default");
    recording.ack(1, got[0].ack.as_ref().unwrap()).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "3")]), "an ACK makes room");
    recording.subscribe_with(2, "a", QUEUE, CLIENT, Some(0)).unwrap();
    recording.send_all(QUEUE, &["5", "6", "7"]);
    assert_eq!(recording.take().len(), 4, "0 is any number");
}

#[test]
fn a_consumer_without_credit_does_not_hold_up_others() {
    let mut recording = Recording::new();
    recording.subscribe_with(1, "a", QUEUE, CLIENT, Some(1)).unwrap();
    recording.subscribe_with(2, "a", QUEUE, AUTO, Some(1)).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3"]);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (2, "2"), (2, "3")]));
}

#[test]
fn a_paused_session_gets_nothing_until_it_resumes() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, AUTO).unwrap();
    recording.subscribe(1, "t", "/topic/x", AUTO).unwrap();
    recording.broker.pause(crate::SessionKey(1));
    recording.send_all(QUEUE, &["1"]);
    recording.send_all("/topic/x", &["topics go on"]);
    assert_eq!(recording.bodies(), to(&[(1, "topics go on")]));
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "1")]), "others get it");
    recording.disconnect(2);
    recording.send_all(QUEUE, &["2"]);
    recording.resume(1);
    assert_eq!(recording.bodies(), to(&[(1, "2")]));
}

#[test]
fn a_sink_can_pause_the_session_in_all_queues() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", QUEUE, AUTO).unwrap();
    recording.subscribe(1, "b", "/queue/y", AUTO).unwrap();
    recording.answer(1, &[Delivered::Ready, Delivered::ThenPause]);
    recording.send_all(QUEUE, &["1", "2", "3"]);
    recording.send_all("/queue/y", &["4"]);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2")]));
    recording.answer(1, &[Delivered::ThenPause]);
    recording.resume(1);
    assert_eq!(recording.bodies(), to(&[(1, "3")]));
    recording.resume(1);
    assert_eq!(recording.bodies(), to(&[(1, "4")]));
}

#[test]
fn a_refused_message_keeps_its_place_and_its_count() {
    for mode in [AUTO, CLIENT] {
        let mut recording = Recording::new();
        recording.subscribe(1, "a", QUEUE, mode).unwrap();
        recording.answer(1, &[Delivered::Refused]);
        recording.send_all(QUEUE, &["1", "2"]);
        assert_eq!(counts(&recording), (2, 0));
        recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
        let got = recording.take();
        let order: Vec<_> = got.iter().map(|got| (got.body.as_str(), got.delivery_count)).collect();
        assert_eq!(order, [("1", 1), ("2", 1)]);
    }
}

#[test]
fn a_full_queue_refuses_messages_until_some_are_settled() {
    let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 2);
    recording.subscribe(1, "a", QUEUE, CLIENT).unwrap();
    recording.send_all(QUEUE, &["1", "2"]);
    let got = recording.take();
    let Err(SendError::QueueFull { destination, limit }) = recording.send(QUEUE, "3") else {
        panic!("unsettled messages count");
    };
    assert_eq!((destination.as_str(), limit), (QUEUE, QueueLimit::Messages(2)));
    recording.ack(1, got[0].ack.as_ref().unwrap()).unwrap();
    recording.send_all(QUEUE, &["3"]);
    assert_eq!(recording.bodies(), to(&[(1, "3")]));
}

#[test]
fn the_octets_of_a_queue_are_limited() {
    let mut recording = Recording::with_limits(|limits| limits.queue_octets_max = 10);
    recording.send_all(QUEUE, &["123456"]);
    let refused = recording.send(QUEUE, "12345");
    assert!(matches!(refused, Err(SendError::QueueFull { limit: QueueLimit::Octets(10), .. })));
    recording.send_all(QUEUE, &["1234"]);
    assert_eq!(recording.stats(QUEUE).map(|stats| stats.octets), Some(10));
}

#[test]
fn a_refused_message_leaves_no_queue_behind() {
    let mut recording = Recording::with_limits(|limits| limits.queue_octets_max = 1);
    assert!(recording.send(QUEUE, "too long").is_err());
    assert_eq!(recording.broker.stats().destinations, 0);
}

#[test]
fn what_a_session_leaves_behind_in_two_subscriptions_goes_on_in_order() {
    let mut recording = Recording::new();
    recording.subscribe_with(1, "older", QUEUE, INDIVIDUAL, Some(1)).unwrap();
    recording.subscribe_with(1, "newer", QUEUE, INDIVIDUAL, Some(1)).unwrap();
    recording.send_all(QUEUE, &["1", "2", "3"]);
    let first = acks(&recording.take()).remove(0);
    recording.ack(1, &first).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "3")]), "the older one has the later message");
    recording.subscribe(2, "a", QUEUE, AUTO).unwrap();
    recording.disconnect(1);
    assert_eq!(recording.bodies(), to(&[(2, "2"), (2, "3")]));
}
