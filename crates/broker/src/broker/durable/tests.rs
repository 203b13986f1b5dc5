use super::*;
use crate::acknowledgement::NackAction;
use crate::broker::{Consumers, Selection};
use crate::destination::Destination;
use crate::error::MoveError;
use crate::options::Unprepared;
use crate::policy::{DeadLetters, DestinationPolicy};
use crate::record::Change;
use crate::recording::{Recording, later, now, owner, request, to};
use crate::stomp::{AckMode, Headers};
use crate::subscription::{SessionKey, Subscribe};

const AUTO: AckMode = AckMode::Auto;
const INDIVIDUAL: AckMode = AckMode::ClientIndividual;

#[test]
fn a_durable_subscription_that_nobody_uses_ends_when_it_was_to() {
    let mut recording = Recording::new();
    let headers = [("activemq.subscriptionName", "news"), ("x-expires", "1000")];
    recording.subscribe_to(1, "/topic/a", AUTO, &headers).unwrap();
    recording.disconnect(1);
    recording.send_with(500, "/topic/a", &[("persistent", "true")], "kept").unwrap();
    recording.at(999);
    assert_eq!(recording.stats("/dsub/owner/news").unwrap().ready, 1);
    // Once: whoever is told the time for ever never comes to the end of this.
    recording.broker.handle_timeout(later(1000), &mut recording.log);
    assert_eq!(recording.broker.next_deadline(), None);
    assert_eq!(recording.broker.stats(), Default::default());
    assert!(matches!(recording.log.changes.last(), Some(Change::Close { .. })));
    recording.log.changes.clear();
    recording.send_with(1000, "/topic/a", &[("persistent", "true")], "lost").unwrap();
    assert!(recording.log.changes.is_empty(), "nobody is there to keep it for");
    recording.subscribe_to(1, "/topic/a", AUTO, &headers).unwrap();
    recording.send("/topic/a", "new").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "new")]));
}

#[test]
fn a_durable_subscription_that_nobody_has_come_to_use_ends_when_it_was_to() {
    let mut recording = Recording::new();
    let headers = Headers::from([("activemq.subscriptionName", "news"), ("x-expires", "1000")]);
    let mut request = request(1, "a", "/topic/a", AUTO);
    request.options = SubscribeOptions::from_headers(&headers, "a", "/topic/a", &owner()).unwrap();
    let (broker, log) = (&recording.broker, &mut recording.log);
    broker.prepare_subscribe(later(0), &request, log);
    broker.disconnect(later(0), SessionKey(1), log);
    assert_eq!(broker.stats().destinations, 1);
    recording.broker.handle_timeout(later(1000), &mut recording.log);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_durable_subscription_keeps_what_comes_while_it_is_away() {
    let mut recording = Recording::new();
    let durable = [("activemq.subscriptionName", "news"), ("selector", "n > 1")];
    recording.subscribe_to(1, "/topic/a.*", INDIVIDUAL, &durable).unwrap();
    recording.disconnect(1);
    for n in ["1", "2", "3"] {
        recording.send_with(0, "/topic/a.b", &[("n", n)], n).unwrap();
    }
    recording.send_with(0, "/topic/c", &[("n", "9")], "9").unwrap();
    recording.subscribe_to(2, "/topic/a.*", AUTO, &durable).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "2"), (2, "3")]));
    let refused = recording.subscribe_to(3, "/topic/a.*", AUTO, &durable);
    assert!(matches!(refused, Err(SubscribeError::DurableInUse { .. })));
    recording.disconnect(2);
    recording.disconnect(3);
    let name = given("news");
    recording.broker.delete_durable(now(), &name, &mut recording.log).unwrap();
    assert!(recording.broker.delete_durable(now(), &name, &mut recording.log).is_err());
    assert_eq!(recording.broker.stats(), Default::default());
}

/// The durable subscription that its owner calls `name`.
fn given(name: &str) -> DurableName {
    DurableName::Given { owner: owner(), name: name.into(), sharing: Sharing::One }
}

/// A request for the durable subscription `news` of somebody.
fn news(session: u64, id: &str, destination: &'static str) -> Subscribe<'static, u64> {
    let headers = Headers::from([("activemq.subscriptionName", "news")]);
    let options = SubscribeOptions::from_headers(&headers, id, destination, &owner()).unwrap();
    Subscribe { options, ..request(session, id, destination, AUTO) }
}

#[test]
fn a_subscription_that_is_refused_neither_makes_nor_ends_a_durable_one() {
    let mut recording = Recording::with_limits(|limits| limits.session_subscriptions_max = 1);
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    let check = |recording: &mut Recording, request: Subscribe<'_, u64>| {
        recording.broker.prepare_subscribe(now(), &request, &mut recording.log);
        let (broker, log) = (&recording.broker, &mut recording.log);
        broker.subscribe(now(), request, |_| {}, log).unwrap_err();
        assert!(recording.log.changes.is_empty(), "{:?}", recording.log.changes);
    };
    check(&mut recording, news(1, "b", "/topic/a"));
    check(&mut recording, news(1, "a", "/topic/a"));
    check(&mut recording, news(2, "/temp-queue/x", "/topic/a"));
    assert_eq!(recording.stats("/dsub/owner/news"), None);
    recording
        .broker
        .subscribe(now(), news(2, "a", "/topic/a"), |_| {}, &mut recording.log)
        .unwrap();
    recording.disconnect(2);
    recording.send("/topic/a", "kept").unwrap();
    recording.log.changes.clear();
    check(&mut recording, news(1, "b", "/topic/b"));
    assert_eq!(recording.stats("/dsub/owner/news").unwrap().ready, 1);
}

#[test]
fn a_durable_subscription_is_there_to_be_stored_before_it_is_confirmed() {
    let mut recording = Recording::new();
    let mut prepare = |session| {
        let request = news(session, "a", "/topic/a");
        recording.broker.prepare_subscribe(now(), &request, &mut recording.log);
        std::mem::take(&mut recording.log.changes)
    };
    let changes = prepare(1);
    assert!(matches!(changes[..], [Change::Open { .. }, ..]), "{changes:?}");
    // Whoever shares it waits for the same.
    assert!(!prepare(2).is_empty());
    recording.send("/topic/a", "meanwhile").unwrap();
    recording.subscribe_to(1, "/topic/a", AUTO, &[("activemq.subscriptionName", "news")]).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "meanwhile")]));
}

#[test]
fn a_durable_subscription_has_one_destination() {
    let mut recording = Recording::with_options(|options| options.unprepared = Unprepared::Refuse);
    let headers = Headers::from([("activemq.subscriptionName", "news")]);
    for destination in ["/topic/a,/topic/b", "/queue/a,/topic/b"] {
        let options = SubscribeOptions::from_headers(&headers, "a", destination, &owner()).unwrap();
        let request = Subscribe { options, ..request(1, "a", destination, AUTO) };
        let (broker, log) = (&recording.broker, &mut recording.log);
        broker.prepare_subscribe(now(), &request, log);
        let on_active = |_| panic!("it is confirmed and refused");
        let refused = broker.subscribe(now(), request, on_active, log).unwrap_err();
        assert!(matches!(refused, SubscribeError::DurableToSeveral { .. }), "{refused:?}");
        assert!(recording.log.changes.is_empty(), "{:?}", recording.log.changes);
        assert_eq!(recording.broker.stats().destinations, 0);
    }
}

#[test]
fn a_durable_subscription_to_something_else_begins_anew() {
    let mut recording = Recording::new();
    let durable = [("durable-subscription-name", "one")];
    recording.subscribe_to(1, "/topic/a", AUTO, &durable).unwrap();
    recording.disconnect(1);
    recording.send_all("/topic/a", &["old"]);
    recording.subscribe_to(2, "/topic/b", AUTO, &durable).unwrap();
    recording.send_all("/topic/a", &["other"]);
    recording.send_all("/topic/b", &["new"]);
    assert_eq!(recording.bodies(), to(&[(2, "new")]));
}

#[test]
fn a_durable_subscription_of_rabbitmq_is_not_ended_by_another_one() {
    let mut recording = Recording::new();
    let durable = [("durable", "true"), ("auto-delete", "false")];
    recording.subscribe_to(1, "/topic/a", AUTO, &durable).unwrap();
    recording.disconnect(1);
    recording.send_all("/topic/a", &["kept"]);
    // The same id, to another topic.
    recording.subscribe_to(1, "/topic/b", AUTO, &durable).unwrap();
    recording.disconnect(1);
    let selective = [("durable", "true"), ("selector", "n = 1")];
    let refused = recording.subscribe_to(1, "/topic/a", AUTO, &selective);
    assert!(matches!(refused, Err(SubscribeError::DurableDiffers { .. })), "{refused:?}");
    recording.subscribe_to(1, "/topic/a", AUTO, &durable).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "kept")]));
}

#[test]
fn a_durable_subscription_of_rabbitmq_to_a_pattern_ends_and_has_dead_letters_as_any_other() {
    let mut recording = Recording::new();
    let durable = [("durable", "true")];
    for _ in 0..2 {
        recording.subscribe_to(1, "/topic/news.#", INDIVIDUAL, &durable).unwrap();
        recording.send_with(0, "/topic/news.a", &[("persistent", "true")], "m").unwrap();
        let ack = recording.take().remove(0).ack.unwrap();
        recording.nack(1, &ack, NackAction::Reject).unwrap();
        recording.disconnect(1);
        let headers = Headers::from(durable);
        let (id, destination) = ("s1", Some("/topic/news.#"));
        let name = DurableName::from_headers(&headers, id, destination, &owner()).unwrap().unwrap();
        recording.broker.delete_durable(now(), &name, &mut recording.log).unwrap();
    }
    assert_eq!(recording.broker.stats().destinations, 1);
    let letters = Destination::parse("/queue/DLQ.owner/s1+/topic/news.%23").unwrap();
    assert_eq!(recording.broker.peek(&letters, 9).unwrap().len(), 2);
}

#[test]
fn a_queue_that_is_known_by_its_name_keeps_its_topic_and_its_messages() {
    let mut recording = Recording::new();
    let durable = [("durable", "true"), ("x-queue-name", "orders")];
    recording.subscribe_to(1, "/topic/a", AUTO, &durable).unwrap();
    recording.disconnect(1);
    recording.send_all("/topic/a", &["kept"]);
    let refused = recording.subscribe_to(2, "/topic/b", AUTO, &durable);
    assert!(matches!(refused, Err(SubscribeError::DurableDiffers { .. })), "{refused:?}");
    recording.subscribe_to(2, "/topic/a", AUTO, &durable).unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "kept")]));
}

#[test]
fn who_waits_for_room_is_told_when_the_durable_subscription_ends() {
    let mut recording = Recording::with_limits(|limits| limits.queue_messages_max = 1);
    let durable = [("durable-subscription-name", "one")];
    recording.subscribe_to(1, "/topic/t", AUTO, &durable).unwrap();
    recording.disconnect(1);
    recording.send("/topic/t", "1").unwrap();
    recording.send("/topic/t", "2").unwrap_err();
    let name = given("one");
    recording.broker.delete_durable(now(), &name, &mut recording.log).unwrap();
    assert_eq!(recording.log.rooms, 1);
    recording.send("/topic/t", "2").unwrap();
}

#[test]
fn nobody_is_kept_from_sending_to_a_topic_by_what_a_durable_subscription_asks_for() {
    let durable = ("activemq.subscriptionName", "x");
    for length in ["0", "1"] {
        let mut recording = Recording::new();
        let headers = [durable, ("x-max-length", length), ("x-overflow", "reject-publish")];
        let refused = recording.subscribe_to(1, "/topic/**", AUTO, &headers);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, SubscribeError::DurableMayNotRefuse { .. }), "{refused:?}");
        assert!(refused.to_string().contains("drop-head or reject-publish-dlx"), "{refused}");
        assert_eq!(recording.broker.stats().destinations, 0);
        for overflow in [None, Some("drop-head"), Some("reject-publish-dlx")] {
            let mut headers = vec![durable, ("x-max-length", length)];
            headers.extend(overflow.map(|overflow| ("x-overflow", overflow)));
            let mut recording = Recording::new();
            recording.subscribe_to(1, "/topic/**", AUTO, &headers).unwrap();
            recording.disconnect(1);
            recording.send_all("/topic/a", &["1", "2", "3"]);
            recording.send_all("/topic/a,/topic/b", &["4"]);
        }
        // Of a queue whoever sends to it knows.
        recording.subscribe_to(1, "/queue/a", AUTO, &headers).unwrap();
    }
}

#[test]
fn a_subscription_that_is_to_end_with_its_consumer_is_not_durable() {
    let mut recording = Recording::new();
    for name in [("id", "s1"), ("x-queue-name", "orders")] {
        let headers = [("durable", "true"), ("auto-delete", "true"), name];
        recording.subscribe_to(1, "/topic/a", AUTO, &headers).unwrap();
        recording.send("/topic/a", "m").unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "m")]));
        recording.disconnect(1);
        assert_eq!(recording.broker.stats(), Default::default());
    }
}

#[test]
fn a_dead_letter_of_a_durable_subscription_goes_back_to_that_one_alone() {
    let mut recording = Recording::new();
    for (session, name) in [(1, "one"), (2, "two")] {
        let headers = [("activemq.subscriptionName", name)];
        recording.subscribe_to(session, "/topic/a", INDIVIDUAL, &headers).unwrap();
    }
    recording.subscribe(3, "t", "/topic/a", AUTO).unwrap();
    recording.send_with(0, "/topic/a", &[("x-death-queue", "/dsub/owner/two")], "m").unwrap();
    let ack = recording.take().into_iter().find(|got| got.session == 1).unwrap().ack.unwrap();
    recording.nack(1, &ack, NackAction::Reject).unwrap();
    let letters = Destination::parse("/queue/DLQ.owner/one").unwrap();
    let all = Selection::First(usize::MAX);
    let log = &mut recording.log;
    assert_eq!(recording.broker.move_messages(now(), &letters, None, all, log), Ok(1));
    let got = recording.take();
    let shown: Vec<_> = got.iter().map(|it| (it.session, it.destination.as_str())).collect();
    assert_eq!(shown, [(1, "/topic/a")]);
    assert_eq!(recording.log.headers.last(), Some(&Headers::default()));

    recording.nack(1, got[0].ack.as_ref().unwrap(), NackAction::Reject).unwrap();
    let (two, gone) = ("/dsub/owner/two", "/dsub/owner/none");
    let mut move_to = |target| {
        let (target, log) = (Destination::parse(target).unwrap(), &mut recording.log);
        recording.broker.move_messages(now(), &letters, Some(&target), all, log)
    };
    assert!(matches!(move_to(gone), Err(MoveError { moved: 0, .. })));
    assert_eq!(move_to(two), Ok(1));
    assert_eq!(recording.bodies(), to(&[(2, "m")]));
}

#[test]
fn a_dead_letter_of_a_durable_subscription_that_has_ended_stays_and_keeps_no_other() {
    let letters = Destination::parse("/queue/dead").unwrap();
    let policy = DestinationPolicy {
        dead_letters: DeadLetters::To(letters.clone()),
        ..DestinationPolicy::default()
    };
    let mut recording = Recording::with_options(|options| options.policies.set_rest(policy));
    for name in ["one", "two"] {
        let headers = [("activemq.subscriptionName", name)];
        recording.subscribe_to(1, "/topic/a", INDIVIDUAL, &headers).unwrap();
        recording.send("/topic/a", name).unwrap();
        let ack = recording.take().remove(0).ack.unwrap();
        recording.nack(1, &ack, NackAction::Reject).unwrap();
        recording.unsubscribe(1, "s1");
    }
    let (ended, log) = (Destination::parse("/dsub/owner/one").unwrap(), &mut recording.log);
    recording.broker.delete_queue(now(), &ended, Consumers::Keep, log).unwrap();
    let first = Selection::First(1);
    assert_eq!(recording.broker.move_messages(now(), &letters, None, first, log), Ok(1));
    assert_eq!(recording.stats("/dsub/owner/two").unwrap().ready, 1);
    let log = &mut recording.log;
    assert_eq!(recording.broker.move_messages(now(), &letters, None, first, log), Ok(0));
    assert_eq!(recording.stats("/queue/dead").unwrap().ready, 1);
}
