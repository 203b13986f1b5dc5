use super::*;

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
    let properties = properties(Timestamp(1000), &headers).unwrap();
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
        ("priority", "none"),
        ("priority", "7"),
        ("expires", "0"),
        ("expires", "5000"),
        ("retain", "set"),
        ("retain", "remove"),
    ]);
    let properties = properties(Timestamp(0), &headers).unwrap();
    let expected = Properties { retain: Retain::Set, ..Properties::default() };
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
