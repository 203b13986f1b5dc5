use super::*;
use crate::{DurableName, Owner, SubscribeError, SubscribeOptions};

fn of(headers: &[(&str, &str)]) -> Headers {
    headers.iter().copied().collect()
}

#[test]
fn blanks_around_what_is_asked_for_a_message_do_not_count() {
    let headers = of(&[
        ("persistent", " true "),
        ("priority", " 7 "),
        ("expires", " 5000 "),
        ("expiration", " 60 "),
        ("retain", " set "),
    ]);
    let (properties, _) = asked_for_message(Timestamp(1000), &headers).unwrap();
    assert_eq!(properties.durability, Durability::Persistent);
    assert_eq!(properties.priority, Some(7));
    assert_eq!(properties.expires_at, Some(Timestamp(1060)));
    assert_eq!(properties.retain, Retain::Set);
}

#[test]
fn of_what_is_asked_twice_the_first_holds() {
    let headers = of(&[
        ("persistent", "false"),
        ("persistent", "true"),
        ("priority", "3"),
        ("priority", "high"),
        ("expires", "0"),
        ("expires", "5000"),
        ("retain", "set"),
        ("retain", "remove"),
    ]);
    let (properties, _) = asked_for_message(Timestamp(0), &headers).unwrap();
    let expected = Properties { retain: Retain::Set, priority: Some(3), ..Properties::default() };
    assert_eq!(properties, expected);
    let headers = of(&[
        ("x-max-length", " 3 "),
        ("x-max-length", "4"),
        ("x-overflow", "drop-head"),
        ("x-overflow", "nonsense"),
        ("x-dead-letter-routing-key", "a"),
        ("x-dead-letter-routing-key", "b"),
    ]);
    let arguments = arguments(&headers).unwrap();
    assert_eq!(arguments.messages_max, Some(3));
    assert_eq!(arguments.overflow, Some(QueueOverflow::DropHead));
    assert_eq!(arguments.dead_letters, Destination::parse("a").ok());
}

#[test]
fn a_value_that_a_header_cannot_have_is_refused() {
    let check = |name: &str, value: &str, asked: Result<(), InvalidHeader>, expected: &str| {
        let error = asked.expect_err(name);
        assert_eq!((error.name, &*error.value, error.expected), (name, value, expected));
    };
    let whole = "a whole number from 0 to 18446744073709551615";
    let limit = "none: how often a message is delivered is said by the server, with deliveries-max in the policy \
                 of the queue";
    for (name, value, expected) in [
        ("persistent", "maybe", "true or false"),
        ("persistent", "2", "true or false"),
        ("priority", "high", whole),
        ("priority", "-1", whole),
        ("expires", "18446744073709551616", whole),
        ("retain", "foo", "set or remove"),
        ("destination-type", "TOPIC", "ANYCAST or MULTICAST"),
    ] {
        let asked = asked_for_message(Timestamp(0), &of(&[(name, value)]));
        check(name, value, asked.map(drop), expected);
    }
    let numbers =
        "a number of messages from 0 to 4294967295, or one, a comma and a number of octets";
    let octets = "a number of octets from 0 to 9223372036854775807, or -1 for any number";
    let flags = [
        "browser",
        "exclusive",
        "activemq.exclusive",
        "x-single-active-consumer",
        "no-local",
        "activemq.noLocal",
        "activemq.retroactive",
        "durable",
        "persistent",
        "auto-delete",
        "shared",
    ];
    let flags = flags.map(|name| (name, "maybe", "true or false"));
    let others = [
        ("subscription-type", "TOPIC", "ANYCAST or MULTICAST"),
        ("credit", "many", numbers),
        ("credit", "1,many", numbers),
        ("credit", "1,", numbers),
        ("consumer-window-size", "-2", octets),
        ("prefetch-count", "4294967296", "a whole number from 0 to 4294967295"),
        ("x-priority", "2147483648", "a whole number from -2147483648 to 2147483647"),
        ("x-max-length", "-1", whole),
        ("x-delivery-limit", "5", limit),
    ];
    for (name, value, expected) in flags.into_iter().chain(others) {
        let (headers, owner) = (of(&[(name, value)]), Owner::default());
        let asked = SubscribeOptions::from_headers(&headers, "1", "/topic/a", &owner);
        let invalid = asked.map_err(|error| match error {
            SubscribeError::InvalidHeader(invalid) => invalid,
            other => panic!("{name}: {other}"),
        });
        check(name, value, invalid.map(drop), expected);
    }
}

#[test]
fn what_is_empty_says_nothing_and_what_follows_it_neither() {
    let names = ["persistent", "priority", "expires", "expiration", DELAY, "retain"];
    let values = ["true", "9", "1", "1", "1", "set"];
    let empty = names.map(|name| (name, " "));
    let later = names.into_iter().zip(values);
    let headers: Headers = empty.into_iter().chain(later).collect();
    let asked = asked_for_message(Timestamp(0), &headers);
    assert_eq!(asked, Ok((Properties::default(), None)));
    let headers = of(&[(DESTINATION_TYPE, ""), (DESTINATION_TYPE, "MULTICAST")]);
    assert_eq!(routing_type(&headers, DESTINATION_TYPE), Ok(None), "rules see what is done");
    assert_eq!(asked_for_message(Timestamp(0), &headers), Ok((Properties::default(), None)));
}

#[test]
fn flags_are_what_clients_write() {
    let durable = |value: &str| {
        let headers = of(&[("durable", value)]);
        DurableName::from_headers(&headers, "1", Some("/topic/a"), &Owner::default()).unwrap()
    };
    for (value, is_so) in
        [("true", true), ("True", true), (" TRUE ", true), ("False", false), ("", false)]
    {
        assert_eq!(durable(value).is_some(), is_so, "durable:{value}");
        let asked = asked_for_message(Timestamp(0), &of(&[("persistent", value)])).unwrap();
        assert_eq!(asked.0.durability == Durability::Persistent, is_so, "persistent:{value}");
    }
}

#[test]
fn dead_letters_go_where_the_exchanges_are() {
    let check = |exchange: Option<&str>,
                 key: Option<&str>,
                 expected: Result<Option<&str>, &str>| {
        let named = [(DEAD_LETTER_EXCHANGE, exchange), (DEAD_LETTER_KEY, key)];
        let headers = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let arguments = arguments(&headers).map_err(|error| error.name);
        let place = arguments.map(|it| it.dead_letters.map(|place| place.to_string()));
        assert_eq!(place, expected.map(|it| it.map(str::to_owned)), "{exchange:?} {key:?}");
    };
    check(None, None, Ok(None));
    check(Some(""), None, Ok(None));
    check(Some(""), Some("dead"), Ok(Some("dead")));
    check(None, Some("dead"), Ok(Some("dead")));
    check(Some(""), Some("/topic/a"), Ok(Some("%2Ftopic/a")));
    check(Some("amq.direct"), Some("k"), Ok(Some("/exchange/amq.direct/k")));
    check(Some("amq.topic"), Some("a.b"), Ok(Some("/exchange/amq.topic/a.b")));
    check(Some("amq.fanout"), Some("k"), Ok(Some("/exchange/amq.fanout/k")));
    check(Some("amq.fanout"), None, Ok(Some("/exchange/amq.fanout")));
    check(Some("amq.direct"), Some(""), Ok(Some("/exchange/amq.direct")));
    check(Some("amq.direct"), Some("a.*"), Ok(Some("/exchange/amq.direct/a.*")));
    // No queue is called so: the letters would be lost.
    for key in ["a.*", "/*", "a%2F#"] {
        check(Some(""), Some(key), Err(DEAD_LETTER_KEY));
    }
    check(Some("dlx"), Some("k"), Err(DEAD_LETTER_EXCHANGE));
    check(Some("dlx"), None, Err(DEAD_LETTER_EXCHANGE));
    check(Some(""), Some(&"k".repeat(2000)), Err(DEAD_LETTER_KEY));
}

#[test]
fn no_sender_makes_a_dead_letter() {
    let forged = [("a", "1"), (REASON, "expired"), (COUNT, "9"), (ORIGIN, "/queue/b")];
    let (_, headers) = take_arguments(of(&forged)).unwrap();
    assert_eq!(headers, of(&[("a", "1")]));
}
