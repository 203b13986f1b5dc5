//! What topics keep: histories and retained messages.

use std::time::Duration;

use crate::policy::{HistoryPolicy, Retention};
use crate::recording::{Recording, later, request, to};
use crate::stomp::AckMode;
use crate::{
    Beginning, Delivered, DestinationPattern, DestinationPolicy, Limits, Recovery, Rewind,
    SendError, SessionKey,
};

/// A broker whose topics keep three messages for ten seconds.
fn recording() -> Recording {
    recording_with(|_| {})
}

fn recording_with(change: impl FnOnce(&mut Limits)) -> Recording {
    recording_of(three_messages(), change)
}

fn recording_of(history: HistoryPolicy, change: impl FnOnce(&mut Limits)) -> Recording {
    Recording::with_options(|options| {
        options.history_epoch = "e".to_owned();
        change(&mut options.limits);
        let kept = DestinationPolicy { history: Some(history), ..Default::default() };
        let all = DestinationPattern::parse("/topic/kept.#").unwrap();
        options.policies.push(all, kept);
        let last = DestinationPolicy { retention: Retention::Last, ..Default::default() };
        options.policies.push(DestinationPattern::parse("/topic/last.#").unwrap(), last);
        let never = DestinationPolicy { retention: Retention::Never, ..Default::default() };
        options.policies.push(DestinationPattern::parse("/topic/never.#").unwrap(), never);
    })
}

fn three_messages() -> HistoryPolicy {
    HistoryPolicy { messages_max: 3, age_max: Duration::from_secs(10), octets_max: 10_000 }
}

/// Subscribes, and says how that begins and which bodies were delivered at once.
fn begin(
    recording: &mut Recording,
    now: u64,
    session: u64,
    destination: &str,
    rewind: Option<Rewind>,
) -> (Beginning, Vec<String>) {
    assert_eq!(recording.bodies(), [], "nothing was left");
    let mut request = request(session, "x", destination, AckMode::Auto);
    request.options.rewind = rewind;
    let mut beginning = None;
    let on_active = |it| beginning = Some(it);
    recording.broker.subscribe(later(now), request, on_active, &mut recording.log).unwrap();
    let bodies = recording.bodies().into_iter().map(|(to, body)| {
        assert_eq!(to, session);
        body
    });
    (beginning.expect("it is active"), bodies.collect())
}

fn after(position: &str) -> Option<Rewind> {
    Some(Rewind::After(position.parse().unwrap()))
}

#[track_caller]
fn check(
    recording: &mut Recording,
    rewind: Option<Rewind>,
    position: &str,
    recovery: Recovery,
    bodies: &[&str],
) {
    let (beginning, got) = begin(recording, 0, 77, "/topic/kept.a", rewind);
    recording.unsubscribe(77, "x");
    assert_eq!(beginning.position.map(|it| it.to_string()).as_deref(), Some(position));
    assert_eq!(beginning.recovery, recovery);
    assert_eq!(got, bodies);
}

#[test]
fn a_subscriber_that_comes_back_gets_what_it_missed_once() {
    let mut recording = recording();
    let (beginning, got) = begin(&mut recording, 0, 1, "/topic/kept.a", None);
    assert_eq!((beginning.recovery, got.len()), (Recovery::NotAsked, 0));
    let seen = beginning.position.unwrap();
    recording.send("/topic/kept.a", "1").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1")]));
    recording.disconnect(1);
    recording.send_all("/topic/kept.a", &["2", "3"]);
    let rewind = Some(Rewind::After(seen));
    let (beginning, got) = begin(&mut recording, 0, 2, "/topic/kept.a", rewind);
    assert_eq!(beginning.recovery, Recovery::Complete);
    assert_eq!(got, ["1", "2", "3"]);
    recording.send("/topic/kept.a", "4").unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "4")]));
}

#[test]
fn what_is_missing_is_told() {
    let mut recording = recording();
    recording.send_all("/topic/kept.a", &["1", "2", "3", "4", "5"]);
    let kept = ["3", "4", "5"];
    check(&mut recording, None, "e-1:5", Recovery::NotAsked, &[]);
    check(&mut recording, after("e-1:5"), "e-1:5", Recovery::Complete, &[]);
    check(&mut recording, after("e-1:3"), "e-1:3", Recovery::Complete, &["4", "5"]);
    check(&mut recording, after("e-1:2"), "e-1:2", Recovery::Complete, &kept);
    check(&mut recording, after("e-1:1"), "e-1:2", Recovery::Incomplete, &kept);
    check(&mut recording, after("f-1:4"), "e-1:2", Recovery::Incomplete, &kept);
    check(&mut recording, after("e-1:6"), "e-1:5", Recovery::Incomplete, &[]);
    check(&mut recording, after("e-1:18446744073709551615"), "e-1:5", Recovery::Incomplete, &[]);
}

#[test]
fn a_subscriber_may_ask_for_a_part_of_the_past() {
    let mut recording = recording();
    recording.send_with(0, "/topic/kept.a", &[], "1").unwrap();
    for (now, body) in [(1000, "2"), (2000, "3"), (3000, "4")] {
        recording.send_with(now, "/topic/kept.a", &[], body).unwrap();
    }
    let all = ["2", "3", "4"];
    check(&mut recording, Some(Rewind::Everything), "e-1:1", Recovery::Complete, &all);
    check(&mut recording, Some(Rewind::Last(0)), "e-1:4", Recovery::Complete, &[]);
    check(&mut recording, Some(Rewind::Last(1)), "e-1:3", Recovery::Complete, &["4"]);
    check(&mut recording, Some(Rewind::Last(3)), "e-1:1", Recovery::Complete, &all);
    check(&mut recording, Some(Rewind::Last(4)), "e-1:1", Recovery::Incomplete, &all);
    let since = |time| Some(Rewind::Since(later(time)));
    check(&mut recording, since(3001), "e-1:4", Recovery::Complete, &[]);
    check(&mut recording, since(2000), "e-1:2", Recovery::Complete, &["3", "4"]);
    check(&mut recording, since(1), "e-1:1", Recovery::Complete, &all);
    check(&mut recording, since(0), "e-1:1", Recovery::Incomplete, &all);
    // Without an epoch nobody can tell.
    check(&mut recording, Some(Rewind::From(3)), "e-1:2", Recovery::Incomplete, &["3", "4"]);
    check(&mut recording, Some(Rewind::From(0)), "e-1:1", Recovery::Incomplete, &all);
    check(&mut recording, Some(Rewind::From(9)), "e-1:4", Recovery::Incomplete, &[]);
}

#[test]
fn what_was_before_the_history_is_missing() {
    let mut recording = recording();
    recording.send_with(1000, "/topic/kept.a", &[], "1").unwrap();
    recording.send_with(1001, "/topic/kept.a", &[], "2").unwrap();
    let since = |time| Some(Rewind::Since(later(time)));
    let all = ["1", "2"];
    check(&mut recording, since(0), "e-1:0", Recovery::Incomplete, &all);
    // Another one of that moment may have been before.
    check(&mut recording, since(1000), "e-1:0", Recovery::Incomplete, &all);
    check(&mut recording, since(1001), "e-1:1", Recovery::Complete, &["2"]);
    check(&mut recording, Some(Rewind::Last(2)), "e-1:0", Recovery::Complete, &all);
    check(&mut recording, Some(Rewind::Last(3)), "e-1:0", Recovery::Incomplete, &all);
}

#[test]
fn a_history_that_began_late_for_want_of_a_place_says_so() {
    let mut recording = recording_with(|limits| limits.destinations_max = 1);
    recording.subscribe(1, "x", "/topic/other", AckMode::Auto).unwrap();
    recording.send_with(1000, "/topic/kept.a", &[], "not kept").unwrap();
    recording.disconnect(1);
    recording.send_with(2000, "/topic/kept.a", &[], "kept").unwrap();
    let since = Some(Rewind::Since(later(1000)));
    check(&mut recording, since, "e-1:0", Recovery::Incomplete, &["kept"]);
}

#[test]
fn of_two_senders_the_later_one_may_have_looked_at_its_clock_first() {
    let mut recording = recording();
    begin(&mut recording, 1000, 1, "/topic/kept.a", None);
    for (now, body) in [(2000, "1"), (1999, "2"), (2000, "3")] {
        recording.send_with(now, "/topic/kept.a", &[], body).unwrap();
    }
    recording.take();
    let since = Some(Rewind::Since(later(2000)));
    check(&mut recording, since, "e-1:0", Recovery::Complete, &["1", "2", "3"]);
}

#[test]
fn what_is_too_old_is_gone_and_told() {
    let mut recording = recording();
    recording.send_with(0, "/topic/kept.a", &[], "1").unwrap();
    recording.send_with(5_000, "/topic/kept.a", &[], "2").unwrap();
    let (beginning, got) = begin(&mut recording, 10_000, 1, "/topic/kept.a", after("e-1:0"));
    assert_eq!((beginning.recovery, got.as_slice()), (Recovery::Incomplete, &["2".to_owned()][..]));
    assert_eq!(recording.stats("/topic/kept.a").unwrap().kept, 1);
    recording.at(15_000);
    assert_eq!(recording.stats("/topic/kept.a").unwrap().kept, 0);
    let (beginning, got) = begin(&mut recording, 15_000, 2, "/topic/kept.a", after("e-1:2"));
    assert_eq!((beginning.recovery, got.len()), (Recovery::Complete, 0));
}

#[test]
fn a_topic_that_nobody_uses_is_forgotten_and_its_successor_has_another_epoch() {
    let mut recording = recording();
    recording.send_with(0, "/topic/kept.a", &[], "1").unwrap();
    let (_, _) = begin(&mut recording, 1_000, 1, "/topic/kept.a", None);
    recording.broker.disconnect(later(6_000), SessionKey(1), &mut recording.log);
    assert_eq!(recording.broker.next_deadline(), Some(later(10_000)));
    recording.at(10_000);
    assert!(recording.stats("/topic/kept.a").is_some(), "somebody was there at 6 s");
    assert_eq!(recording.broker.next_deadline(), Some(later(16_000)));
    recording.at(16_000);
    assert_eq!(recording.broker.stats(), Default::default());
    recording.send_with(16_000, "/topic/kept.a", &[], "2").unwrap();
    for (session, rewind) in [after("e-1:1"), Some(Rewind::Since(later(0)))].into_iter().enumerate()
    {
        let (beginning, got) =
            begin(&mut recording, 16_000, session as u64, "/topic/kept.a", rewind);
        assert_eq!(beginning.position.unwrap().to_string(), "e-2:0");
        assert_eq!((beginning.recovery, got), (Recovery::Incomplete, vec!["2".to_owned()]));
    }
}

#[test]
fn a_topic_whose_name_looks_like_a_pattern_is_forgotten_too() {
    let mut recording = recording();
    recording.send("/topic/kept.*", "1").unwrap();
    recording.at(10_000);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn messages_tell_their_place_and_nobody_else_can() {
    let mut recording = recording();
    let forged = [("history-epoch", "x"), ("history-offset", "9"), ("retained", "true")];
    recording.send_with(0, "/topic/kept.a", &forged, "1").unwrap();
    begin(&mut recording, 0, 1, "/topic/kept.a", Some(Rewind::Everything));
    begin(&mut recording, 0, 2, "/topic/kept.*", None);
    begin(&mut recording, 0, 3, "/topic/plain", None);
    recording.send_with(0, "/topic/kept.a", &forged, "2").unwrap();
    recording.send_with(0, "/topic/plain", &forged, "3").unwrap();
    let headers: Vec<_> =
        recording.log.headers.iter().map(|headers| headers.iter().collect::<Vec<_>>()).collect();
    let place = |offset| vec![("history-epoch", "e-1"), ("history-offset", offset)];
    assert_eq!(headers, [place("1"), place("2"), place("2"), vec![]]);
}

#[test]
fn octets_are_limited() {
    let policy =
        HistoryPolicy { octets_max: 3 * (256 + 10), messages_max: 100, ..three_messages() };
    let mut recording = recording_of(policy, |_| {});
    let ten = "0123456789";
    recording.send_all("/topic/kept.a", &[ten, ten, ten, ten]);
    let kept = |recording: &Recording| recording.stats("/topic/kept.a").unwrap();
    // The headers that tell the place count too.
    assert_eq!(kept(&recording).kept, 2);
    assert!(kept(&recording).octets <= 3 * 266);
    recording.send("/topic/kept.a", &"x".repeat(1000)).unwrap();
    assert_eq!((kept(&recording).kept, kept(&recording).octets), (0, 0));
    let (beginning, got) = begin(&mut recording, 0, 1, "/topic/kept.a", after("e-1:4"));
    assert_eq!((beginning.recovery, got.len()), (Recovery::Incomplete, 0));
}

#[test]
fn all_topics_together_are_limited() {
    let mut recording = recording_with(|limits| limits.kept_octets_max = 700);
    recording.send_all("/topic/kept.a", &["1", "2", "3"]);
    assert_eq!(recording.stats("/topic/kept.a").unwrap().kept, 2);
    assert!(recording.broker.stats().kept_octets <= 700);
    recording.send("/topic/kept.b", "4").unwrap();
    assert_eq!(recording.stats("/topic/kept.b").unwrap().kept, 0, "others keep what they have");
    let (beginning, _) = begin(&mut recording, 0, 1, "/topic/kept.b", after("e-2:0"));
    assert_eq!(beginning.recovery, Recovery::Incomplete);
    let refused = recording.send_with(0, "/topic/c", &[("retain", "set")], "5").unwrap_err();
    assert!(matches!(refused, SendError::NoRoomToRetain { kept_octets_max: 700, .. }));
    assert!(recording.stats("/topic/c").is_none());
    recording.at(10_000);
    recording.disconnect(1);
    recording.at(20_000);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn destinations_are_limited_with_those_that_only_keep() {
    let mut recording = recording_with(|limits| limits.destinations_max = 1);
    recording.send("/topic/kept.a", "1").unwrap();
    recording.send("/topic/kept.b", "2").unwrap();
    assert!(recording.stats("/topic/kept.b").is_none(), "its history has not begun");
    let refused = recording.send_with(0, "/topic/c", &[("retain", "set")], "3").unwrap_err();
    assert_eq!(refused, SendError::TooManyDestinations { destinations_max: 1 });
}

#[test]
fn a_slow_subscriber_gets_the_past_as_it_can_take_it_and_then_goes_on_live() {
    let mut recording = recording();
    recording.send_all("/topic/kept.a", &["1", "2", "3"]);
    recording.answer(1, &[Delivered::ThenPause, Delivered::Refused]);
    let (beginning, got) = begin(&mut recording, 0, 1, "/topic/kept.a", Some(Rewind::Everything));
    assert_eq!((beginning.recovery, got.as_slice()), (Recovery::Complete, &["1".to_owned()][..]));
    recording.resume(1);
    assert_eq!(recording.bodies(), [], "it was refused");
    recording.send("/topic/kept.b", "other").unwrap();
    assert_eq!(recording.bodies(), []);
    recording.resume(1);
    assert_eq!(recording.bodies(), to(&[(1, "2"), (1, "3")]));
    recording.send("/topic/kept.a", "4").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "4")]));
    assert_eq!(recording.log.overtaken, []);
}

#[test]
fn a_subscriber_that_is_too_slow_is_told_instead_of_missing_something() {
    let mut recording = recording();
    recording.send_all("/topic/kept.a", &["1", "2", "3"]);
    recording.answer(1, &[Delivered::ThenPause]);
    begin(&mut recording, 0, 1, "/topic/kept.a", Some(Rewind::Everything));
    recording.send("/topic/kept.a", "4").unwrap();
    assert_eq!(recording.log.overtaken, [], "2 is still there");
    recording.send("/topic/kept.a", "5").unwrap();
    assert_eq!(recording.log.overtaken, [1]);
    recording.resume(1);
    recording.send("/topic/kept.a", "6").unwrap();
    assert_eq!(recording.bodies(), [], "nothing more, as there is a gap");
}

#[test]
fn a_slow_subscriber_is_told_too_if_it_was_another_one_who_made_the_topic_forget() {
    let mut recording = recording();
    recording.send_all("/topic/kept.a", &["1", "2", "3"]);
    recording.answer(1, &[Delivered::ThenPause]);
    begin(&mut recording, 0, 1, "/topic/kept.a", Some(Rewind::Everything));
    begin(&mut recording, 10_000, 2, "/topic/kept.a", None);
    recording.resume(1);
    assert_eq!(recording.log.overtaken, [1], "2 and 3 are gone");
    recording.send("/topic/kept.a", "4").unwrap();
    assert_eq!(recording.bodies(), to(&[(2, "4")]));
}

#[test]
fn the_past_meets_the_selector() {
    let mut recording = recording();
    for (color, body) in [("red", "1"), ("blue", "2"), ("red", "3")] {
        recording.send_with(0, "/topic/kept.a", &[("color", color)], body).unwrap();
    }
    let wanted = [("selector", "color = 'red'"), ("history", "all")];
    recording.subscribe_to(1, "/topic/kept.a", AckMode::Auto, &wanted).unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "3")]));
}

#[test]
fn patterns_and_several_destinations_cannot_be_recovered_and_say_so() {
    let mut recording = recording();
    recording.send("/topic/kept.a", "1").unwrap();
    for (session, destination) in [
        (1, "/topic/kept.*"),
        (2, "/topic/kept.a,/topic/kept.b"),
        (3, "/topic/plain"),
        (4, "/queue/a"),
    ] {
        let (beginning, got) = begin(&mut recording, 0, session, destination, after("e-1:0"));
        assert_eq!(beginning.recovery, Recovery::Incomplete, "{destination}");
        assert_eq!((beginning.position, got.len()), (None, 0), "{destination}");
    }
}

#[test]
fn a_retained_message_is_for_new_subscribers_until_it_is_removed() {
    let mut recording = recording();
    recording.send_with(0, "/topic/a", &[("retain", "set")], "1").unwrap();
    recording.send("/topic/a", "2").unwrap();
    let (beginning, got) = begin(&mut recording, 0, 1, "/topic/a", None);
    assert_eq!((beginning, got.as_slice()), (Beginning::default(), &["1".to_owned()][..]));
    assert_eq!(recording.log.headers.pop().unwrap().get("retained"), Some("true"));
    recording.send_with(0, "/topic/a", &[("retain", "set")], "3").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "3")]));
    assert_eq!(recording.log.headers.pop().unwrap().get("retained"), None, "it came live");
    recording.send_with(0, "/topic/a", &[("retain", "remove")], "4").unwrap();
    assert_eq!(recording.bodies(), to(&[(1, "4")]));
    assert_eq!(begin(&mut recording, 0, 2, "/topic/a", None).1, [""; 0]);
    recording.disconnect(1);
    recording.disconnect(2);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_retained_message_has_no_place_in_the_history() {
    let mut recording = recording();
    recording.send_with(0, "/topic/kept.a", &[("retain", "set")], "1").unwrap();
    recording.send("/topic/kept.a", "2").unwrap();
    let (beginning, got) = begin(&mut recording, 0, 1, "/topic/kept.a", None);
    assert_eq!(beginning.position.unwrap().to_string(), "e-1:2");
    assert_eq!(got, ["1"]);
    let headers = recording.log.headers.pop().unwrap();
    assert_eq!(headers.get("retained"), Some("true"));
    assert_eq!((headers.get("history-epoch"), headers.get("history-offset")), (None, None));
}

#[test]
fn a_policy_retains_the_last_message_or_none() {
    let mut recording = recording();
    recording.send_all("/topic/last.a", &["1", "2"]);
    recording.send_with(0, "/topic/never.a", &[("retain", "set")], "3").unwrap();
    assert_eq!(begin(&mut recording, 0, 1, "/topic/last.a", None).1, ["2"]);
    assert_eq!(begin(&mut recording, 0, 2, "/topic/never.a", None).1, [""; 0]);
    recording.send_with(0, "/topic/last.a", &[("retain", "remove")], "").unwrap();
    recording.take();
    assert_eq!(begin(&mut recording, 0, 3, "/topic/last.a", None).1, [""; 0]);
}

#[test]
fn a_retained_message_expires() {
    let mut recording = recording();
    let headers = [("retain", "set"), ("expiration", "1000")];
    recording.send_with(0, "/topic/a", &headers, "1").unwrap();
    assert_eq!(begin(&mut recording, 999, 1, "/topic/a", None).1, ["1"]);
    assert_eq!(begin(&mut recording, 1000, 2, "/topic/a", None).1, [""; 0]);
    recording.disconnect(1);
    recording.disconnect(2);
    recording.at(1000);
    assert_eq!(recording.broker.stats(), Default::default());
}

#[test]
fn a_pattern_gets_what_all_its_topics_retain_within_limits() {
    let mut recording = recording_with(|limits| {
        limits.retained_matches_max = 3;
        limits.retained_octets_max = 1000;
    });
    for name in ["/topic/b/1", "/topic/b.2", "/topic/b", "/topic/bc", "/topic/c.1", "/topic/b.3.4"]
    {
        recording.send_with(0, name, &[("retain", "set")], name).unwrap();
    }
    assert_eq!(begin(&mut recording, 0, 1, "/topic/b.*", None).1, ["/topic/b/1", "/topic/b.2"]);
    let all = begin(&mut recording, 0, 2, "/topic/b.#", None).1;
    assert_eq!(all, ["/topic/b", "/topic/b/1", "/topic/b.2"], "three at most");
    recording.send_with(0, "/topic/b", &[("retain", "set")], &"x".repeat(900)).unwrap();
    recording.take();
    let all = begin(&mut recording, 0, 3, "/topic/b.#", None).1;
    assert_eq!(all, ["/topic/b/1", "/topic/b.2", "/topic/b.3.4"], "what is too large is left out");
}

#[test]
fn whoever_asks_for_history_gets_no_retained_message_twice() {
    let mut recording = recording();
    recording.send_with(0, "/topic/kept.a", &[("retain", "set")], "1").unwrap();
    assert_eq!(begin(&mut recording, 0, 1, "/topic/kept.a", None).1, ["1"]);
    assert_eq!(begin(&mut recording, 0, 2, "/topic/kept.a", Some(Rewind::Everything)).1, ["1"]);
    assert_eq!(begin(&mut recording, 0, 3, "/topic/kept.a", after("e-1:1")).1, [""; 0]);
}
