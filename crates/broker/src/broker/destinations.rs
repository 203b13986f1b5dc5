//! Names of RabbitMQ, ActiveMQ and Artemis, and destinations that end with their session.

use crate::error::{QueueLimit, SendError, SubscribeError};
use crate::pattern::DestinationPattern;
use crate::recording::{Got, Recording, now, to};
use crate::stomp::AckMode::{Auto as AUTO, ClientIndividual as INDIVIDUAL};
use crate::{CancelCause, Consumers, Destination, SessionKey};

#[test]
fn names_of_other_brokers_reach_the_destinations_they_stand_for() {
    let check = |subscribed: &str, sent: &str, shown: &str| {
        let mut recording = Recording::new();
        recording.subscribe(1, "a", subscribed, AUTO).unwrap();
        recording.send_from(2, sent, &[], "m").unwrap();
        let got = recording.take();
        let got: Vec<_> = got.iter().map(|got| got.destination.as_str()).collect();
        assert_eq!(got, [shown], "{subscribed}, {sent}");
    };
    check("/queue/a", "a", "/queue/a");
    check("a", "/queue/a", "/queue/a");
    check("/queue/a%2Fb", "/queue/a/b", "/queue/a/b");
    check("/queue/a", "/amq/queue/a", "/queue/a");
    check("/topic/a.*", "/exchange/amq.topic/a.b", "/topic/a.b");
    check("/exchange/amq.topic/a.#", "/topic/a.b.c", "/topic/a.b.c");
    check("/exchange/amq.direct/a", "/exchange/amq.direct/a", "/exchange/amq.direct/a");
    check("/exchange/amq.fanout", "/exchange/amq.fanout/x", "/exchange/amq.fanout");
    check("/queue/a,/topic/b", "/topic/b", "/topic/b");
    check("a,/queue/b", "/queue/b", "/queue/b");
}

#[test]
fn the_direct_exchange_knows_no_patterns() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/exchange/amq.direct/a.*", AUTO).unwrap();
    recording.send("/exchange/amq.direct/a.b", "1").unwrap();
    recording.send("/exchange/amq.direct/a.*", "2").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "2")]));
}

#[test]
fn artemis_says_with_a_header_whether_all_get_a_message() {
    let mut recording = Recording::new();
    let multicast = [("subscription-type", "MULTICAST")];
    recording.subscribe_to(1, "a", AUTO, &multicast).unwrap();
    recording.subscribe_to(2, "a", AUTO, &multicast).unwrap();
    recording.subscribe_to(3, "a", AUTO, &[("subscription-type", "ANYCAST")]).unwrap();
    recording.send_from(9, "a", &[("destination-type", "MULTICAST")], "all").unwrap();
    recording.send_from(9, "a", &[("destination-type", "ANYCAST")], "one").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "all"), (2, "all"), (3, "one")]));
}

#[test]
fn a_queue_that_must_exist_is_not_created() {
    let mut recording = Recording::new();
    let sent = recording.send("/amq/queue/a", "m");
    assert!(matches!(sent, Err(SendError::NoSuchQueue { .. })), "{sent:?}");
    let subscribed = recording.subscribe(1, "a", "/amq/queue/a", AUTO);
    assert!(matches!(subscribed, Err(SubscribeError::NoSuchQueue { .. })), "{subscribed:?}");
    recording.send("/queue/a", "m").unwrap();
    recording.subscribe(1, "a", "/amq/queue/a", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "m")]));
}

#[test]
fn who_wants_none_of_its_own_messages_gets_those_of_others() {
    for header in ["no-local", "activemq.noLocal"] {
        let mut recording = Recording::new();
        recording.subscribe_to(1, "/topic/a", AUTO, &[(header, "true")]).unwrap();
        recording.subscribe(2, "a", "/topic/a", AUTO).unwrap();
        recording.send_from(1, "/topic/a", &[], "1").unwrap();
        recording.send_from(2, "/topic/a", &[], "2").unwrap();
        recording.send("/topic/a", "3").unwrap();
        let mut bodies = recording.bodies();
        bodies.sort();
        assert_eq!(bodies, to(&[(1, "2"), (1, "3"), (2, "1"), (2, "2"), (2, "3")]), "{header}");
    }
}

#[test]
fn consumers_are_told_when_their_queue_is_deleted() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x", INDIVIDUAL).unwrap();
    recording.subscribe_to(2, "/queue/x", AUTO, &[("browser", "true")]).unwrap();
    recording.send_all("/queue/x", &["1"]);
    recording.take();
    let x = Destination::parse("/queue/x").unwrap();
    let log = &mut recording.log;
    recording.broker.delete_queue(now(), &x, Consumers::Cancel, log).unwrap();
    let cancelled = |session| (session, vec!["/queue/x".to_owned()], CancelCause::QueueDeleted);
    assert_eq!(recording.log.cancelled, [1, 2].map(cancelled));
    assert_eq!(recording.stats("/queue/x"), None);
    // The ids are free again, and the queue is another.
    recording.subscribe(1, "a", "/queue/x", AUTO).unwrap();
    assert_eq!(recording.bodies(), []);
    recording.send_all("/queue/x", &["2"]);
    assert_eq!(recording.bodies(), to(&[(1, "2")]));
}

#[test]
fn a_subscription_ends_as_a_whole_when_one_of_its_queues_is_deleted() {
    let mut recording = Recording::new();
    recording.subscribe(1, "a", "/queue/x,/queue/y,/queue/x", INDIVIDUAL).unwrap();
    recording.subscribe(1, "b", "/queue/x", INDIVIDUAL).unwrap();
    let x = Destination::parse("/queue/x").unwrap();
    recording.broker.delete_queue(now(), &x, Consumers::Cancel, &mut recording.log).unwrap();
    let told = |(_, destinations, _): &(_, Vec<String>, _)| destinations.join(",");
    let told: Vec<_> = recording.log.cancelled.iter().map(told).collect();
    assert_eq!(told, ["/queue/x,/queue/y,/queue/x", "/queue/x"], "once for each id");
    assert_eq!(recording.broker.stats().subscriptions, 0);
    recording.send_all("/queue/y", &["1"]);
    assert_eq!(recording.bodies(), []);
    recording.subscribe(1, "a", "/queue/y", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
}

/// What a responder was sent, and by which name it can reply.
fn request(recording: &mut Recording, reply_to: &str) -> String {
    recording.send_from(1, "/queue/work", &[("reply-to", reply_to)], "request").unwrap();
    let work: Vec<Got> = recording.take();
    assert_eq!(work.len(), 1, "{work:?}");
    work.into_iter().next().unwrap().reply_to.unwrap()
}

#[test]
fn replies_come_to_who_asked_as_with_rabbitmq() {
    let mut recording = Recording::new();
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    assert!(reply_to.starts_with("/reply-queue/"), "{reply_to}");
    assert_eq!(request(&mut recording, "/temp-queue/r"), reply_to, "one queue for each name");
    assert_ne!(request(&mut recording, "/temp-queue/other"), reply_to);
    recording.send_from(2, &reply_to, &[], "reply").unwrap();
    let got = recording.take().remove(0);
    let got = (got.session, got.subscription.as_str(), got.destination.as_str());
    assert_eq!(got, (1, "/temp-queue/r", "/temp-queue/r"));
    // Who waits no longer gets none, and the queue waits for who may wait again.
    recording.unsubscribe(1, "/temp-queue/r");
    recording.send_from(2, &reply_to, &[], "later").unwrap();
    assert_eq!(recording.bodies(), []);
    assert_eq!(request(&mut recording, "/queue/own"), "/queue/own", "other names stay");
}

#[test]
fn temporary_destinations_are_their_sessions_as_with_activemq() {
    for name in ["/temp-queue/x", "/temp-topic/x"] {
        let mut recording = Recording::new();
        recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
        for session in [1, 3] {
            recording.subscribe(session, "t", name, AUTO).unwrap();
        }
        recording.send_from(1, name, &[], "to itself").unwrap();
        recording.send_from(3, name, &[], "to the other").unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "to itself"), (3, "to the other")]), "{name}");
        let reply_to = request(&mut recording, name);
        assert!(reply_to.starts_with(&name.replace("/x", "/").replace("/t", "/remote-t")));
        recording.send_from(2, &reply_to, &[], "reply").unwrap();
        let got = recording.take();
        let got: Vec<_> =
            got.iter().map(|got| (got.session, &*got.subscription, &*got.destination)).collect();
        assert_eq!(got, [(1, "t", name)]);
    }
}

#[test]
fn nobody_can_subscribe_to_what_is_another_sessions() {
    let mut recording = Recording::new();
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    let token = reply_to.rsplit('/').next().unwrap().to_owned();
    for name in ["/reply-queue/", "/remote-temp-queue/", "/remote-temp-topic/"] {
        let refused = recording.subscribe(2, "spy", &format!("{name}{token}"), AUTO);
        assert!(matches!(refused, Err(SubscribeError::NotOwn { .. })), "{name}: {refused:?}");
    }
    // That would be a destination of its own.
    recording.subscribe(2, "spy", &format!("/temp-queue/{token}"), AUTO).unwrap();
    recording.subscribe(2, "all", "/topic/#", AUTO).unwrap();
    recording.send(&reply_to, "secret").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "secret")]));
}

#[test]
fn messages_of_a_temporary_queue_wait_for_its_session_and_end_with_it() {
    let mut recording = Recording::new();
    recording.send_from(1, "/temp-queue/x", &[("persistent", "true")], "1").unwrap();
    recording.subscribe(1, "a", "/temp-queue/x", INDIVIDUAL).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
    recording.unsubscribe(1, "a");
    recording.subscribe(1, "b", "/temp-queue/x", INDIVIDUAL).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1")]), "what is not settled stays");
    assert_eq!(recording.log.changes.len(), 0, "nothing of it is stored");
    recording.disconnect(1);
    assert_eq!(recording.broker.stats(), Default::default());
    let sent = recording.send_from(2, "/temp-queue/x", &[], "2").unwrap();
    assert_eq!(sent.subscribers, 0);
    assert_eq!(recording.broker.stats().destinations, 1, "that of the other session");
}

#[test]
fn a_reply_to_who_has_gone_is_not_wanted() {
    let mut recording = Recording::new();
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    recording.disconnect(1);
    assert_eq!(recording.send_from(2, &reply_to, &[], "reply").unwrap().subscribers, 0);
    assert_eq!(recording.bodies(), []);
}

#[test]
fn a_session_that_subscribes_itself_gets_replies_once() {
    let mut recording = Recording::new();
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    recording.subscribe(1, "mine", "/temp-queue/r", AUTO).unwrap();
    for body in ["1", "2"] {
        recording.send(&reply_to, body).unwrap();
        let got = recording.take();
        assert_eq!((got.len(), got[0].subscription.as_str()), (1, "mine"), "{body}");
    }
}

#[test]
fn a_refused_subscription_leaves_the_brokers_own_as_they_are() {
    let mut recording = Recording::with_limits(|limits| limits.session_subscriptions_max = 1);
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    let refused = recording.subscribe(1, "mine", "/temp-queue/r,/remote-temp-queue/x", AUTO);
    let session_subscriptions_max = 1;
    assert_eq!(refused, Err(SubscribeError::TooManySubscriptions { session_subscriptions_max }));
    recording.send(&reply_to, "reply").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "reply")]));
    recording.subscribe(1, "mine", "/temp-queue/r", AUTO).unwrap();
    recording.disconnect(1);
    recording.disconnect(2);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_subscription_refused_for_one_of_its_parts_leaves_the_brokers_own_as_they_are() {
    let mut recording = Recording::new();
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let reply_to = request(&mut recording, "/temp-queue/r");
    let refused = recording.subscribe(1, "mine", "/temp-queue/r,/remote-temp-queue/x", AUTO);
    assert!(matches!(refused, Err(SubscribeError::NotOwn { .. })), "{refused:?}");
    recording.send(&reply_to, "reply").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "reply")]));
    recording.disconnect(1);
    recording.disconnect(2);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn ids_of_the_brokers_own_subscriptions_are_reserved() {
    let mut recording = Recording::new();
    let refused = recording.subscribe(1, "/temp-queue/x", "/queue/a", AUTO);
    assert!(matches!(refused, Err(SubscribeError::ReservedId { .. })), "{refused:?}");
}

#[test]
fn temporary_destinations_of_a_session_are_limited() {
    let mut recording = Recording::with_limits(|limits| limits.session_temporary_max = 2);
    recording.subscribe(1, "a", "/temp-queue/1", AUTO).unwrap();
    recording.send_from(1, "/temp-topic/2", &[], "m").unwrap();
    let refused = recording.subscribe(1, "b", "/temp-queue/3", AUTO);
    let session_temporary_max = 2;
    assert_eq!(refused, Err(SubscribeError::TooManyTemporary { session_temporary_max }));
    let refused = recording.send_from(1, "/queue/a", &[("reply-to", "/temp-queue/3")], "m");
    assert!(matches!(refused, Err(SendError::Temporary(_))), "{refused:?}");
    recording.send_from(1, "/queue/a", &[("reply-to", "/temp-queue/1")], "m").unwrap();
    recording.subscribe(2, "b", "/temp-queue/3", AUTO).unwrap();
}

#[test]
fn what_waits_for_a_session_that_does_not_read_is_limited_over_all_its_queues() {
    let mut recording =
        Recording::with_limits(|limits| limits.session_temporary_octets_max = 2 * (256 + 1));
    recording.subscribe(2, "work", "/queue/work", AUTO).unwrap();
    let [one, other] = ["/temp-queue/1", "/temp-queue/2"].map(|name| {
        let reply_to = request(&mut recording, name);
        recording.unsubscribe(1, name);
        reply_to
    });
    recording.send_all(&one, &["1"]);
    recording.send_all(&other, &["2"]);
    for queue in [&one, &other] {
        let refused = recording.send_from(2, queue, &[], "3").unwrap_err();
        let limit = QueueLimit::Octets(2 * (256 + 1));
        assert!(
            matches!(&refused, SendError::TemporaryQueueFull { limit: it, .. } if *it == limit)
        );
        assert_eq!(refused.full_queue(), None, "nobody waits for it");
    }
    recording.send_from(3, "/temp-queue/1", &[], "of another session").unwrap();
    recording.subscribe(1, "1", "/temp-queue/1", AUTO).unwrap();
    recording.send_all(&other, &["3"]);
    recording.subscribe(1, "2", "/temp-queue/2", AUTO).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2"), (1, "3")]));
    recording.send_all(&one, &[&"x".repeat(10_000)]);
    assert_eq!(recording.take().len(), 1, "one message of any size");
}

#[test]
fn who_is_no_session_has_no_temporary_destinations() {
    let mut recording = Recording::new();
    let refused = recording.send("/temp-queue/x", "m");
    assert!(matches!(refused, Err(SendError::NoSession { .. })), "{refused:?}");
    assert!(recording.broker.sessions.find(SessionKey(1)).is_none());
    assert!(
        recording
            .broker
            .destination(&DestinationPattern::parse("/temp-queue/x").unwrap())
            .is_none()
    );
}
