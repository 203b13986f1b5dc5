//! Selectors: SQL-92 as of JMS, over headers.

use crate::apps::keeping;
use crate::client::{Client, EVERYWHERE, header};

/// What a selector is asked about.
const HEADERS: &str = "color:red\nsize:12\nname:it's\npath:a_b%c\nempty:\ncontent-type:text/plain\n\
                       truth:true\n";

/// Selectors that want a message with [`HEADERS`].
const WANTED: [&str; 24] = [
    "color = 'red'",
    "color <> 'blue'",
    "size = 12",
    "size > 3 AND size < 100",
    "size >= 12 AND size <= 12.0",
    "size BETWEEN 10 AND 20",
    "size NOT BETWEEN 1 AND 2",
    "color IN ('green', 'red')",
    "color NOT IN ('green')",
    "color LIKE 'r%'",
    "color LIKE '_ed'",
    "color NOT LIKE 'b%'",
    "path LIKE 'a!_b!%_' ESCAPE '!'",
    "name = 'it''s'",
    "missing IS NULL",
    "empty IS NOT NULL",
    "NOT (color = 'blue')",
    "color = 'blue' OR size = 12",
    "size + 1 = 13 AND size - 2 = 10 AND size * 2 = 24 AND size / 4 = 3",
    "-size < 0",
    "2 + 3 * 2 = 8",
    "\"content-type\" = 'text/plain'",
    "truth = TRUE",
    "color = 'red' and not missing is not null",
];

/// Those that do not, since they are false or unknown.
const UNWANTED: [&str; 12] = [
    "color = 'RED'",
    "Color = 'red'",
    "color = 'blue'",
    "size < 12",
    "size BETWEEN 13 AND 20",
    "color LIKE 'e%'",
    "path LIKE 'a!_c%' ESCAPE '!'",
    "missing = 'x'",
    "NOT (missing = 'x')",
    "missing <> 'x'",
    "missing NOT IN ('x')",
    "color > 3",
];

#[tokio::test]
async fn a_subscriber_gets_what_its_selector_wants() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            client.subscribe("id:all\ndestination:/topic/t\n").await;
            let send = format!("SEND\ndestination:/topic/t\n{HEADERS}\nm\0");
            for (selectors, count) in [(&WANTED[..], 2), (&UNWANTED[..], 1)] {
                for selector in selectors {
                    let subscribe = format!("id:s\ndestination:/topic/t\nselector:{selector}\n");
                    client.subscribe(&subscribe).await;
                    client.send(&send).await;
                    let mut ids = Vec::new();
                    for _ in 0..count {
                        let message = client.message("m").await;
                        ids.push(header(&message, "subscription").unwrap().to_owned());
                    }
                    ids.sort();
                    assert_eq!(ids, ["all", "s"][..count], "{selector}");
                    client.done("UNSUBSCRIBE\nid:s\n\n").await;
                }
            }
        })
        .await;
}

#[tokio::test]
async fn of_a_queue_others_get_what_a_selector_does_not_want() {
    EVERYWHERE
        .attempt(keeping, async |server, mut client, version| {
            let queue = "destination:/queue/q\n";
            client.subscribe(&format!("id:s\n{queue}selector:color = 'red'\n")).await;
            for color in ["blue", "red", "green"] {
                client.send(format!("SEND\n{queue}color:{color}\n\n{color}\0")).await;
            }
            client.message("red").await;
            let mut other = Client::connect(&server, client.door, version).await;
            other.subscribe(&format!("id:s\n{queue}")).await;
            other.message("blue").await;
            other.message("green").await;
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_selector_that_is_none_is_refused() {
    let long = format!("color = '{}'", "a".repeat(4 * 1024));
    let deep = "(".repeat(100) + "color = 'red'" + &")".repeat(100);
    let malformed = [
        "=",
        "color = ",
        "color = 'red",
        "(color = 'red'",
        "1 +",
        "1",
        "'x'",
        "color = 'red' AND 2 + 2",
        &long,
        &deep,
    ];
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            for selector in malformed {
                let subscribe =
                    format!("SUBSCRIBE\nid:s\ndestination:/topic/t\nselector:{selector}\n\n");
                client.refused(&subscribe, "invalid selector").await;
            }
            client.subscribe("id:s\ndestination:/topic/t\nselector:\n").await;
        })
        .await;
}
