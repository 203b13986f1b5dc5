//! Presence: who is told of whom.

use crate::recording::{Recording, now, request, to};
use crate::stomp::AckMode;
use crate::{
    Broker, Destination, DestinationError, DestinationPattern, DestinationPolicy, MemberInfo,
    PresencePolicy, SendError, SubscribeError,
};

fn recording(members_max: usize) -> Recording {
    Recording::with_options(|options| {
        let presence = Some(PresencePolicy { members_max, octets_max: 2000 });
        let policy = DestinationPolicy { presence, ..Default::default() };
        options.policies.push(DestinationPattern::parse("/topic/room.*").unwrap(), policy);
    })
}

fn join(recording: &mut Recording, session: u64) {
    recording.subscribe(session, "x", "/topic/room.1", AckMode::Auto).unwrap();
}

fn watch(recording: &mut Recording, session: u64) {
    recording.subscribe(session, "w", "/presence/topic/room.1", AckMode::Auto).unwrap();
}

#[test]
fn whoever_wants_to_know_is_told_who_is_there_and_then_who_comes_and_goes() {
    let mut recording = recording(10);
    let info = [("presence-info", "{\"name\":\"Ann\"}")];
    recording.subscribe_to(1, "/topic/room.1", AckMode::Auto, &info).unwrap();
    watch(&mut recording, 9);
    let ann = r#"{"session":"1","info":"{\"name\":\"Ann\"}"}"#;
    let present = format!(r#"{{"event":"present","count":1,"members":[{ann}]}}"#);
    assert_eq!(recording.bodies(), to(&[(9, &present)]));
    assert_eq!(recording.log.headers.pop().unwrap().get("presence"), Some("present"));
    join(&mut recording, 2);
    let joined = r#"{"event":"join","count":2,"members":[{"session":"2"}]}"#;
    assert_eq!(recording.bodies(), to(&[(9, joined)]));
    recording.disconnect(1);
    let left = format!(r#"{{"event":"leave","count":1,"members":[{ann}]}}"#);
    assert_eq!(recording.bodies(), to(&[(9, &left)]));
    recording.disconnect(2);
    recording.disconnect(9);
    assert_eq!(recording.broker.stats(), Default::default(), "nothing is left behind");
}

#[test]
fn a_session_comes_and_goes_once_however_often_it_subscribes() {
    let mut recording = recording(10);
    watch(&mut recording, 9);
    recording.take();
    for id in ["a", "b"] {
        recording.subscribe(1, id, "/topic/room.1", AckMode::Auto).unwrap();
    }
    assert_eq!(recording.take().len(), 1, "one join");
    recording.unsubscribe(1, "a");
    assert_eq!(recording.take(), []);
    recording.unsubscribe(1, "b");
    assert_eq!(recording.take().len(), 1, "one leave");
    for id in ["c", "d"] {
        recording.subscribe(1, id, "/topic/room.1", AckMode::Auto).unwrap();
    }
    recording.take();
    recording.disconnect(1);
    assert_eq!(recording.take().len(), 1, "one leave");
}

#[test]
fn of_many_only_the_number_is_told_and_not_too_often() {
    let mut recording = recording(4);
    watch(&mut recording, 99);
    for session in 1..=4 {
        join(&mut recording, session);
    }
    recording.take();
    join(&mut recording, 5);
    assert_eq!(recording.bodies(), to(&[(99, r#"{"event":"count","count":5}"#)]));
    join(&mut recording, 6);
    join(&mut recording, 7);
    assert_eq!(recording.bodies(), []);
    recording.at(999);
    assert_eq!(recording.bodies(), []);
    recording.at(1000);
    assert_eq!(recording.bodies(), to(&[(99, r#"{"event":"count","count":7}"#)]));
    watch(&mut recording, 98);
    assert_eq!(recording.bodies(), to(&[(98, r#"{"event":"count","count":7}"#)]));
    for session in 4..=7 {
        recording.disconnect(session);
    }
    let told = recording.bodies();
    assert_eq!(told.len(), 2, "both are told anew who is there: {told:?}");
    assert!(told.iter().all(|(_, body)| body.starts_with(r#"{"event":"present","count":3,"#)));
    recording.disconnect(3);
    assert!(recording.bodies()[0].1.starts_with(r#"{"event":"leave","count":2,"#));
}

#[test]
fn few_are_named_again_too() {
    for (members_max, named) in [(2, 1), (3, 2), (7, 5)] {
        let mut recording = recording(members_max);
        watch(&mut recording, 99);
        for session in 0..=members_max as u64 {
            join(&mut recording, session);
        }
        recording.take();
        for session in named..=members_max as u64 {
            assert_eq!(recording.bodies(), [], "{session} of {members_max}");
            recording.disconnect(session);
        }
        let told = recording.bodies();
        let expected = format!(r#"{{"event":"present","count":{named},"#);
        assert!(told[0].1.starts_with(&expected), "{told:?}");
    }
}

#[test]
fn of_a_long_list_only_the_number_is_told() {
    let mut recording = recording(100);
    watch(&mut recording, 99);
    recording.take();
    let long = "x".repeat(900);
    for session in 1..=3 {
        let info = [("presence-info", long.as_str())];
        recording.subscribe_to(session, "/topic/room.1", AckMode::Auto, &info).unwrap();
    }
    let told = recording.bodies();
    assert!(told[1].1.starts_with(r#"{"event":"join","count":2,"#), "{told:?}");
    assert_eq!(told[2].1, r#"{"event":"count","count":3}"#);
    recording.disconnect(1);
    assert_eq!(recording.bodies(), [], "more than three quarters");
    recording.disconnect(2);
    let told = recording.bodies();
    assert!(told[0].1.starts_with(r#"{"event":"present","count":1,"#), "{told:?}");
}

#[test]
fn a_long_login_is_not_told_to_its_end() {
    let mut recording = recording(100);
    let mut request = request(1, "x", "/topic/room.1", AckMode::Auto);
    let user = Some(format!("x{}", "ä".repeat(600)).into());
    request.options.member = Some(MemberInfo { user, info: None });
    recording.broker.subscribe(now(), request, |_| {}, &mut recording.log).unwrap();
    let room = Destination::parse("/topic/room.1").unwrap();
    let members = recording.broker.presence(&room).unwrap().members;
    assert_eq!(members[0].info.user, Some(format!("x{}", "ä".repeat(511)).into()));
}

#[test]
fn who_is_present_can_be_asked() {
    let mut recording = recording(1);
    let room = Destination::parse("/topic/room.1").unwrap();
    assert_eq!(recording.broker.presence(&room).unwrap().count, 0);
    join(&mut recording, 1);
    join(&mut recording, 2);
    let present = recording.broker.presence(&room).unwrap();
    let sessions: Vec<_> = present.members.iter().map(|member| member.session.0).collect();
    assert_eq!((present.count, sessions), (2, vec![1, 2]));
    let other = Destination::parse("/topic/other").unwrap();
    assert_eq!(recording.broker.presence(&other), None);
}

#[test]
fn nobody_is_subscribed_without_being_there() {
    let mut recording = recording(10);
    let mut options = recording.broker.options().clone();
    options.limits.destinations_max = 3;
    recording.broker = Broker::new(options);
    for (session, topic) in [(8, "/topic/a"), (9, "/topic/b")] {
        recording.subscribe(session, "x", topic, AckMode::Auto).unwrap();
    }
    let refused = recording.subscribe(1, "x", "/topic/room.1", AckMode::Auto);
    assert_eq!(refused, Err(SubscribeError::TooManyDestinations { destinations_max: 3 }));
    assert_eq!(recording.broker.stats().destinations, 2, "nothing of it is left");
    recording.disconnect(8);
    join(&mut recording, 1);
    recording.disconnect(9);
    join(&mut recording, 2);
    watch(&mut recording, 9);
    let present = r#"{"event":"present","count":2,"members":[{"session":"1"},{"session":"2"}]}"#;
    assert_eq!(recording.bodies(), to(&[(9, present)]));
    for session in [1, 2, 9] {
        recording.disconnect(session);
    }
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_topic_whose_presence_would_have_too_long_a_name_has_no_members() {
    let mut recording = recording(10);
    let topic = format!("/topic/room.{}", "x".repeat(1004));
    let refused = recording.subscribe(1, "x", &topic, AckMode::Auto);
    let octets = "/presence".len() + topic.len();
    let expected = DestinationError::TooLong { octets, octets_max: 1024 };
    assert_eq!(refused, Err(SubscribeError::InvalidDestination(expected)));
    assert_eq!(recording.broker.stats().destinations, 0);
}

#[test]
fn presence_is_of_topics_that_have_it_and_nobody_sends_to_it() {
    let mut recording = recording(10);
    for name in
        ["/presence/topic/other", "/presence/queue/room.1", "/presence/topic/room.*", "/presence/x"]
    {
        let refused = recording.subscribe(1, "a", name, AckMode::Auto);
        assert!(matches!(refused, Err(SubscribeError::NoPresence { .. })), "{name}: {refused:?}");
    }
    let refused = recording.send("/presence/topic/room.1", "forged");
    assert!(matches!(refused, Err(SendError::ReadOnly { .. })));
    // Subscribers to patterns and durable subscriptions are nobody's members.
    recording.subscribe(1, "a", "/topic/room.*", AckMode::Auto).unwrap();
    let durable = [("durable", "true")];
    recording.subscribe_to(2, "/topic/room.1", AckMode::Auto, &durable).unwrap();
    let room = Destination::parse("/topic/room.1").unwrap();
    assert_eq!(recording.broker.presence(&room).unwrap().count, 0);
    let long = "x".repeat(1025);
    let refused =
        recording.subscribe_to(3, "/topic/room.1", AckMode::Auto, &[("presence-info", &long)]);
    assert!(matches!(refused, Err(SubscribeError::InvalidHeader(_))));
}
