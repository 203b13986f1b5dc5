use std::cell::RefCell;

use super::*;
use crate::acknowledgement::NackAction;
use crate::destination::DestinationError;
use crate::error::{SendError, SubscribeError};
use crate::kind::{DestinationKind, Kind, Occupancy, Role};
use crate::message::Message;
use crate::recording::{Log, Recording, later, now, request, to};
use crate::sink::{Delivered, Delivery};
use crate::stomp::AckMode;
use crate::subscribers::Subscribers;

const AUTO: AckMode = AckMode::Auto;

#[test]
fn a_topic_reaches_all_its_subscribers_and_no_others() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    recording.subscribe(2, "a", "/topic/x", AUTO).unwrap();
    recording.subscribe(3, "a", "/topic/y", AUTO).unwrap();
    let sent = recording.send("/topic/x", "m").unwrap();
    assert_eq!(sent.subscribers, 2);
    assert_eq!(recording.bodies(), to(&[(1, "m"), (2, "m")]));
}

#[test]
fn a_topic_without_subscribers_takes_messages_and_forgets_them() {
    let mut recording = Recording::new();
    assert_eq!(recording.send("/topic/x", "m").unwrap().subscribers, 0);
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), []);
}

#[test]
fn patterns_get_what_they_match_with_the_name_it_was_sent_to() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/price.*", AUTO).unwrap();
    recording.subscribe(2, "a", "/topic/**", AUTO).unwrap();
    recording.send_all("/topic/price.eur", &["1"]);
    recording.send_all("/topic/price.eur.today", &["2"]);
    recording.send_all("/topic/news", &["3"]);
    assert_eq!(recording.bodies(), to(&[(1, "1"), (2, "1"), (2, "2"), (2, "3")]));
}

#[test]
fn two_matching_subscriptions_of_a_session_each_get_the_message() {
    let mut recording = Recording::new();
    for (id, destination) in [("exact", "/topic/a.b"), ("one", "/topic/a.*"), ("any", "/topic/#")] {
        recording.subscribe(1, id, destination, AUTO).unwrap();
    }
    assert_eq!(recording.send("/topic/a.b", "m").unwrap().subscribers, 3);
    let got = recording.take();
    let ids: Vec<&str> = got.iter().map(|got| got.subscription.as_str()).collect();
    assert_eq!(ids, ["exact", "one", "any"]);
    assert!(got.iter().all(|got| got.message_id == "m-1"));
}

#[test]
fn a_wildcard_in_send_is_literal_for_topics_and_refused_for_queues() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    recording.subscribe(2, "a", "/topic/*", AUTO).unwrap();
    recording.send_all("/topic/*", &["m"]);
    assert_eq!(recording.bodies(), to(&[(2, "m")]));
    for name in ["/queue/*", "/queue/a.#", "/queue/**.**.**.a.**.b.**.c.**.d.**"] {
        let refused = recording.send(name, "m");
        assert!(matches!(refused, Err(SendError::WildcardInQueueName { .. })), "{name}");
    }
    assert_eq!(recording.broker.stats().destinations, 2);
}

#[test]
fn only_topics_are_subscribed_to_by_pattern() {
    let mut recording = Recording::new();
    let refused = recording.subscribe(1, "a", "/queue/*", AUTO);
    let pattern = "/queue/*".into();
    assert_eq!(refused, Err(SubscribeError::PatternOfQueues { pattern }));
}

#[test]
fn unknown_destinations_are_refused_with_the_known_prefixes() {
    let mut recording = Recording::new();
    for name in ["/foo/bar", "/topic", "/topic/", "/queue/", "/Topic/x", "/**"] {
        let Err(SendError::UnknownDestination(unknown)) = recording.send(name, "m") else {
            panic!("{name} is no destination");
        };
        let expected = "a destination is /topic/NAME or /queue/NAME; NAME alone is a queue; ";
        assert!(unknown.expected.starts_with(expected), "{unknown}");
        let refused = recording.subscribe(1, "a", name, AUTO);
        assert_eq!(refused, Err(SubscribeError::UnknownDestination(unknown)));
    }
}

#[test]
fn the_longest_prefix_decides_the_kind() {
    let options = BrokerOptions {
        topic_prefixes: vec!["/".to_owned()],
        queue_prefixes: vec!["/jobs/".to_owned()],
        ..BrokerOptions::default()
    };
    let mut recording = Recording { broker: Broker::new(options), log: Log::default() };
    recording.subscribe(1, "a", "/anything", AUTO).unwrap();
    recording.subscribe(1, "b", "/jobs/a", AUTO).unwrap();
    assert_eq!(recording.stats("/anything").map(|stats| stats.kind), Some(Kind::Topic));
    assert_eq!(recording.stats("/jobs/a").map(|stats| stats.kind), Some(Kind::Queue));
}

#[test]
fn an_invalid_destination_is_refused() {
    let mut recording = Recording::new();
    let refused = recording.subscribe(1, "a", "", AUTO);
    assert_eq!(refused, Err(SubscribeError::InvalidDestination(DestinationError::Empty)));
}

#[test]
fn an_id_is_free_again_after_unsubscribing() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    let refused = recording.subscribe(1, "a", "/topic/y", AUTO);
    assert!(matches!(refused, Err(SubscribeError::DuplicateId { .. })));
    recording.subscribe(2, "a", "/topic/y", AUTO).unwrap();
    recording.unsubscribe(1, "a");
    recording.subscribe(1, "a", "/topic/y", AUTO).unwrap();
    recording.send_all("/topic/x", &["x"]);
    recording.send_all("/topic/y", &["y"]);
    assert_eq!(recording.bodies(), to(&[(2, "y"), (1, "y")]));
}

#[test]
fn nothing_reaches_a_subscription_that_has_ended() {
    let mut recording = Recording::new();
    for destination in ["/topic/x", "/topic/*", "/queue/x"] {
        recording.subscribe(1, destination, destination, AUTO).unwrap();
        recording.subscribe(2, destination, destination, AUTO).unwrap();
    }
    recording.unsubscribe(1, "/topic/x");
    recording.unsubscribe(1, "/topic/*");
    recording.unsubscribe(1, "/queue/x");
    recording.unsubscribe(1, "never subscribed");
    recording.unsubscribe(3, "/topic/x");
    recording.disconnect(2);
    recording.disconnect(2);
    recording.send_all("/topic/x", &["m"]);
    recording.send_all("/queue/x", &["m"]);
    assert_eq!(recording.bodies(), []);
}

#[test]
fn a_topic_gives_nobody_what_nobody_wants_any_more() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    for (after, body) in [(99, "late"), (100, "just late"), (101, "in time")] {
        let expires = later(after).0.to_string();
        recording.send_with(100, "/topic/x", &[("expires", &expires)], body).unwrap();
    }
    assert_eq!(recording.bodies(), to(&[(1, "in time")]));
}

#[test]
fn what_nobody_uses_is_removed() {
    let mut recording = Recording::new();
    let destinations = ["/topic/x", "/topic/*", "/topic/a.**.b", "/queue/x"];
    for destination in destinations {
        recording.subscribe(1, destination, destination, AUTO).unwrap();
    }
    assert_eq!(recording.broker.destinations().len(), 4);
    assert_eq!(
        recording.broker.stats(),
        BrokerStats { destinations: 4, sessions: 1, subscriptions: 4, kept_octets: 0 }
    );
    recording.unsubscribe(1, "/topic/x");
    recording.unsubscribe(1, "/topic/*");
    assert_eq!(recording.broker.stats().destinations, 2);
    recording.disconnect(1);
    assert_eq!(recording.broker.stats(), BrokerStats::default());
    assert!(recording.broker.destinations().is_empty());
}

#[test]
fn a_queue_lasts_until_it_is_drained_and_nobody_consumes_it() {
    let mut recording = Recording::new();
    recording.send_all("/queue/x", &["1"]);
    assert_eq!(recording.stats("/queue/x").map(|stats| stats.ready), Some(1));
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.stats("/queue/x").map(|stats| stats.ready), Some(0));
    recording.unsubscribe(1, "a");
    assert_eq!(recording.stats("/queue/x"), None);
}

#[test]
fn different_spellings_of_a_pattern_are_one_destination() {
    let mut recording = Recording::new();
    for (session, destination) in [(1, "/topic/a/**"), (2, "/topic/a.#"), (3, "/topic/a.>")] {
        recording.subscribe(session, "a", destination, AUTO).unwrap();
    }
    assert_eq!(recording.broker.stats().destinations, 1);
    recording.disconnect(1);
    recording.send_all("/topic/a.b", &["m"]);
    assert_eq!(recording.bodies(), to(&[(2, "m"), (3, "m")]));
}

#[test]
fn destinations_are_limited_and_free_again_when_unused() {
    let mut recording = Recording::with_limits(|limits| limits.destinations_max = 3);
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    recording.subscribe(1, "b", "/topic/*", AUTO).unwrap();
    recording.send_all("/queue/x", &["m"]);
    let too_many = SubscribeError::TooManyDestinations { destinations_max: 3 };
    for destination in ["/topic/y", "/topic/#", "/queue/y"] {
        assert_eq!(recording.subscribe(1, "c", destination, AUTO), Err(too_many.clone()));
    }
    let refused = recording.send("/queue/y", "m");
    assert_eq!(refused, Err(SendError::TooManyDestinations { destinations_max: 3 }));
    recording.send("/topic/y", "a topic needs no place to be sent to").unwrap();
    recording.subscribe(2, "a", "/topic/x", AUTO).unwrap();
    recording.unsubscribe(1, "b");
    recording.subscribe(1, "c", "/queue/y", AUTO).unwrap();
}

#[test]
fn the_subscriptions_of_a_session_are_limited() {
    let mut recording = Recording::with_limits(|limits| limits.session_subscriptions_max = 1);
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    let too_many = SubscribeError::TooManySubscriptions { session_subscriptions_max: 1 };
    assert_eq!(recording.subscribe(1, "b", "/topic/x", AUTO), Err(too_many));
    recording.subscribe(2, "b", "/topic/x", AUTO).unwrap();
}

#[test]
fn a_topic_with_explicit_acknowledgement_names_the_message_and_takes_any_answer() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AckMode::ClientIndividual).unwrap();
    recording.send_all("/topic/x", &["m"]);
    let got = recording.take().remove(0);
    assert_eq!(got.ack.as_ref(), Some(&got.message_id));
    for _ in 0..2 {
        recording.ack(1, &got.message_id).unwrap();
        recording.nack(1, &got.message_id, NackAction::Requeue).unwrap();
        recording.ack_message(1, Some("a"), &got.message_id).unwrap();
    }
    assert_eq!(recording.bodies(), []);
    assert!(recording.ack(1, "m-zz").is_err(), "no message has that id");
}

/// What happened, in order, to a subscriber and in `on_active`.
struct Order<'a>(&'a RefCell<Vec<&'static str>>);

impl Sink<u64> for Order<'_> {
    fn topic(&mut self, _message: &Arc<Message>, _subscribers: &Subscribers<u64>) {
        self.0.borrow_mut().push("message");
    }

    fn deliver(&mut self, _delivery: Delivery<'_, u64>) -> Delivered {
        self.0.borrow_mut().push("message");
        Delivered::Ready
    }
}

#[test]
fn the_confirmation_comes_before_the_backlog() {
    let mut recording = Recording::new();
    recording.send_all("/queue/x", &["1", "2"]);
    let happened = RefCell::new(Vec::new());
    let confirm = |_| happened.borrow_mut().push("confirmed");
    let request = request(1, "a", "/queue/x", AUTO);
    recording.broker.subscribe(now(), request, confirm, &mut Order(&happened)).unwrap();
    assert_eq!(happened.take(), ["confirmed", "message", "message"]);
}

#[test]
fn a_refused_subscription_is_not_confirmed() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/topic/x", AUTO).unwrap();
    let request = request(1, "a", "/topic/y", AUTO);
    let confirm = |_| panic!("it is refused");
    assert!(recording.broker.subscribe(now(), request, confirm, &mut recording.log).is_err());
}

#[test]
fn a_broker_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Broker<u64>>();
}

#[test]
fn a_destination_that_retires_while_it_is_being_found_is_replaced() {
    for name in ["/topic/x", "/topic/*", "/queue/x"] {
        let mut recording = Recording::new();
        let pattern = DestinationPattern::parse(name).unwrap();
        let kind = if name == "/queue/x" { Kind::Queue } else { Kind::Topic };
        let retire = |recording: &Recording| {
            let routing = &recording.broker.routing;
            let found: Arc<dyn DestinationKind<u64>> = match kind {
                Kind::Queue => routing.open_queue(pattern.name(), &Role::Named).unwrap(),
                _ => routing.open_topic(&pattern, Kind::Topic, now()).unwrap(),
            };
            let mut log = Log::default();
            let mut operation = Operation::new(now(), &mut log);
            assert_eq!(found.retire_if_vacant(&mut operation), Occupancy::Retired);
        };
        retire(&recording);
        let mut confirmed = 0;
        let request = request(1, "a", name, AUTO);
        let confirm = |_| confirmed += 1;
        recording.broker.subscribe(now(), request, confirm, &mut recording.log).unwrap();
        assert_eq!(confirmed, 1);
        recording.send(&name.replace('*', "x"), "m").unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "m")]));
        recording.disconnect(1);
        assert_eq!(recording.broker.stats().destinations, 0);
        retire(&recording);
        recording.send(&name.replace('*', "x"), "m").unwrap();
        if kind == Kind::Queue {
            assert_eq!(recording.stats(name).map(|stats| stats.ready), Some(1));
        }
    }
}
