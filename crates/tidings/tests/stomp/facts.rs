//! Every fact of the protocol has a test, and every test a fact: `facts.md` says which, and where they run.

use std::collections::BTreeSet;
use std::path::Path;

use crate::client::{
    BEFORE_1_2, Door, EVERYWHERE, FROM_1_1, IN_1_0, IN_1_1, IN_1_2, OVER_TCP, OVER_WEBSOCKET, Where,
};
use crate::support::named_tests::{place_of, source, tests_in};

/// The sections of the protocol.
const SECTIONS: [&str; 15] = [
    "Frame syntax",
    "Header escaping",
    "Connecting",
    "Heart-beats",
    "Client frames",
    "Transactions",
    "Server frames",
    "Receipts",
    "Destinations",
    "Queues",
    "Durable subscriptions",
    "Selectors",
    "Limits",
    "Doors",
    "Applications",
];

/// Where facts hold: what `facts.md` calls it, what tests call it, and what it is.
const PLACES: [(&str, &str, Where); 8] = [
    ("everywhere", "EVERYWHERE", EVERYWHERE),
    ("1.0", "IN_1_0", IN_1_0),
    ("1.1", "IN_1_1", IN_1_1),
    ("1.2", "IN_1_2", IN_1_2),
    ("1.0, 1.1", "BEFORE_1_2", BEFORE_1_2),
    ("1.1, 1.2", "FROM_1_1", FROM_1_1),
    ("TCP", "OVER_TCP", OVER_TCP),
    ("WebSocket", "OVER_WEBSOCKET", OVER_WEBSOCKET),
];

/// Where facts hold that are not of one version, or are no matter of octets over TCP or WebSocket.
const BEFORE_CONNECTED: &str = "before CONNECTED";
const ELSEWHERE: [&str; 3] = ["SockJS", "TLS", "not at the wire"];

struct Row {
    fact: &'static str,
    place: &'static str,
    reason: Option<&'static str>,
    tests: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("facts.md").lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| -> [&str; 5] {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("a row has a fact, a place and tests: {line}"))
    });
    let rows = cells.filter(|[_, fact, ..]| !matches!(*fact, "fact" | "---"));
    rows.map(|[_, fact, place, tests, _]| {
        let (place, reason) = match place.split_once(": ") {
            Some((place, reason)) => (place, Some(reason)),
            None => (place, None),
        };
        Row { fact, place, reason, tests: tests.split(", ").collect() }
    })
    .collect()
}

/// The cases that the text of a test, or the name of a place, stands for.
fn cases(is_named: impl Fn(&(&str, &str, Where)) -> bool) -> BTreeSet<(Door, &'static str)> {
    PLACES.iter().filter(|place| is_named(place)).flat_map(|(.., place)| place.each()).collect()
}

#[test]
fn every_fact_has_tests_where_it_holds() {
    for Row { fact, place, reason, tests } in rows() {
        let mut tried = BTreeSet::new();
        let mut tries_each_door = false;
        for test in tests {
            let (file, name) = place_of(test, "stomp");
            let source = source(&file);
            let found = tests_in(&source).into_iter().find(|(found, _)| *found == name);
            let (_, body) = found.unwrap_or_else(|| panic!("{fact}: there is no test {test}"));
            let words: BTreeSet<&str> =
                body.split(|char: char| !char.is_alphanumeric() && char != '_').collect();
            tried.extend(cases(|(_, name, _)| words.contains(name)));
            tries_each_door |= words.contains("DOORS");
        }
        if ELSEWHERE.contains(&place) {
            assert!(reason.is_some(), "{fact}: why only {place}?");
        } else if place == BEFORE_CONNECTED {
            assert!(tries_each_door, "{fact}: not over each of DOORS");
        } else {
            let expected = cases(|(told, ..)| *told == place);
            assert!(!expected.is_empty(), "{fact}: there is no place {place:?}");
            let is_of_one_door =
                expected.iter().all(|(door, _)| *door == expected.first().unwrap().0);
            assert!(!is_of_one_door || reason.is_some(), "{fact}: why only {place}?");
            let untried: Vec<_> = expected.difference(&tried).collect();
            assert!(untried.is_empty(), "{fact}: not tried: {untried:?}");
        }
    }
}

#[test]
fn every_test_is_of_a_fact() {
    let rows = rows();
    let told: BTreeSet<&str> = rows.iter().flat_map(|row| row.tests.iter().copied()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stomp");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|extension| extension != "rs") || file == "facts" {
            continue;
        }
        for (name, _) in tests_in(&source(&path)) {
            let test = format!("{file}::{name}");
            assert!(told.contains(&*test), "{test} is of no fact: facts.md");
        }
    }
}

#[test]
fn every_section_is_there() {
    let table = include_str!("facts.md");
    let sections: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, SECTIONS);
}
