//! Limits: what just fits is taken, and one more is refused.

use crate::apps::app;
use crate::client::{Client, DOORS, EVERYWHERE, header};
use crate::support::serve;
use tidings::App;
use tidings::broker::Limits as BrokerLimits;
use tidings::server::{StompLimits as Limits, StompOptions};

fn app_with(limits: Limits) -> App {
    let options = StompOptions { limits, ..StompOptions::default() };
    App::builder().stomp("/stomp").stomp_options(options).build().unwrap()
}

/// A header line of so many octets, without its line end.
fn line(octets: usize) -> String {
    format!("x:{}", "a".repeat(octets - 2))
}

#[tokio::test]
async fn a_command_line_has_64_octets() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            let door = client.door;
            let error = client.ask("A".repeat(64) + "\n\n\0").await;
            assert_eq!(header(&error, "message"), Some("unknown command"), "it was read");
            client.ends().await;
            let mut client = Client::connect(&server, door, version).await;
            let error = client.ask("A".repeat(65) + "\n\n\0").await;
            assert_eq!(header(&error, "message"), Some("command line is too long"));
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_header_line_has_16_kib() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let send = |octets| format!("SEND\ndestination:/topic/t\n{}\n\n", line(octets));
            client.done(&send(16 * 1024)).await;
            let error = client.ask(send(16 * 1024 + 1) + "\0").await;
            assert_eq!(header(&error, "message"), Some("header line is too long"));
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_frame_has_256_headers() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            // With the destination and the receipt.
            let send = |more| format!("SEND\ndestination:/topic/t\n{}\n", "x:y\n".repeat(more));
            client.done(&send(254)).await;
            let error = client.ask(send(256) + "\0").await;
            assert_eq!(header(&error, "message"), Some("too many headers"));
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_body_has_a_limit_whether_it_is_counted_or_not() {
    let limits = Limits { body_octets_max: 1000, ..Limits::default() };
    for counts in [true, false] {
        let send = |octets: usize| {
            let length = if counts { format!("content-length:{octets}\n") } else { String::new() };
            format!("SEND\ndestination:/topic/t\n{length}\n{}", "a".repeat(octets))
        };
        EVERYWHERE
            .attempt(
                || app_with(limits),
                async |_server, mut client, _| {
                    client.done(&send(1000)).await;
                    let error = client.ask(send(1001) + "\0").await;
                    assert_eq!(header(&error, "message"), Some("body is too long"));
                    client.ends().await;
                },
            )
            .await;
    }
}

#[tokio::test]
async fn a_body_has_16_mib() {
    const OCTETS: usize = 16 * 1024 * 1024;
    let server = serve(app()).await;
    let piece = "a".repeat(OCTETS / 4);
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        let head =
            |octets| format!("SEND\ndestination:/topic/t\nreceipt:r\ncontent-length:{octets}\n\n");
        client.send(head(OCTETS)).await;
        for _ in 0..4 {
            client.send(&piece).await;
        }
        assert_eq!(header(&client.ask("\0").await, "receipt-id"), Some("r"));
        let error = client.ask(head(OCTETS + 1)).await;
        assert_eq!(header(&error, "message"), Some("body is too long"));
        client.ends().await;
    }
}

#[tokio::test]
async fn before_login_a_frame_has_8_kib() {
    let server = serve(app()).await;
    for door in DOORS {
        for command in ["CONNECT", "STOMP"] {
            let connect = |octets: usize| {
                let rest = "\naccept-version:1.2\n".len() + "\n\n\0".len();
                let line = line(octets - command.len() - rest);
                format!("{command}\naccept-version:1.2\n{line}\n\n\0")
            };
            // A longer message of a WebSocket would be refused as a whole.
            let ask = async |octets| {
                let mut client = Client::open(&server, door).await;
                let connect = connect(octets);
                let (start, rest) = connect.split_at(4 * 1024);
                client.send(start).await;
                let answer = client.ask(rest).await;
                (client, answer)
            };
            let (mut client, connected) = ask(8 * 1024).await;
            assert!(connected.starts_with("CONNECTED\n"), "{connected:?}");
            client.goes_on().await;
            let (client, error) = ask(8 * 1024 + 1).await;
            assert_eq!(header(&error, "message"), Some("frame is too long before login"));
            client.ends().await;
        }
    }
}

#[tokio::test]
async fn a_session_has_1024_subscriptions() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let subscribe = |id: usize| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/t\n\n");
            let all: String = (1..1024).map(|id| subscribe(id) + "\0").collect();
            client.send(all).await;
            client.done(&subscribe(1024)).await;
            // One that ends makes room.
            client.done("UNSUBSCRIBE\nid:7\n\n").await;
            client.done(&subscribe(7)).await;
            client.refused(&subscribe(1025), "too many subscriptions").await;
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_session_has_256_temporary_destinations() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let subscribe = |id: usize| {
                let kind = if id.is_multiple_of(2) { "queue" } else { "topic" };
                format!("SUBSCRIBE\nid:{id}\ndestination:/temp-{kind}/{id}\n\n")
            };
            let all: String = (1..256).map(|id| subscribe(id) + "\0").collect();
            client.send(all).await;
            client.done(&subscribe(256)).await;
            let more = client.refused(&subscribe(257), "too many temporary destinations").await;
            assert!(more.contains("256 temporary destinations"), "{more:?}");
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_session_has_16_open_transactions() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let begin = |id: usize| format!("BEGIN\ntransaction:{id}\n\n");
            for id in 1..=16 {
                client.done(&begin(id)).await;
            }
            client.done("ABORT\ntransaction:1\n\n").await;
            client.done(&begin(1)).await;
            client.refused(&begin(17), "too many transactions").await;
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn a_transaction_has_1024_frames() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            let door = client.door;
            let begin = "BEGIN\ntransaction:t\n\n\0";
            let send = "SEND\ndestination:/topic/t\ntransaction:t\n\n";
            let many = |count| (send.to_owned() + "\0").repeat(count);
            client.send(begin.to_owned() + &many(1024)).await;
            client.done("COMMIT\ntransaction:t\n\n").await;
            client.leave().await;
            let mut client = Client::connect(&server, door, version).await;
            client.send(begin.to_owned() + &many(1024)).await;
            client.refused(send, "too many frames in a transaction").await;
            client.ends().await;
        })
        .await;
}

#[tokio::test]
async fn the_open_transactions_of_a_session_have_so_many_octets() {
    // Each of these frames counts for 512 more than it has.
    let send = |octets: usize| {
        let body = "a".repeat(octets - 512 - "/topic/t".len());
        format!("SEND\ndestination:/topic/t\ntransaction:t\n\n{body}")
    };
    let limits = Limits { transaction_octets_max: 2000, ..Limits::default() };
    EVERYWHERE
        .attempt(
            || app_with(limits),
            async |_server, mut client, _| {
                let begin = "BEGIN\ntransaction:t\n\n\0";
                let whole = send(1000) + "\0" + &send(1000) + "\0";
                client.send(begin.to_owned() + &whole).await;
                client.done("COMMIT\ntransaction:t\n\n").await;
                client.send(begin.to_owned() + &send(1000) + "\0").await;
                let error = client.ask(send(1001) + "\0").await;
                assert_eq!(header(&error, "message"), Some("too many octets in transactions"));
                client.ends().await;
            },
        )
        .await;
}

#[test]
fn limits_are_those_that_the_documentation_has() {
    let limits = Limits::default();
    assert_eq!(limits, StompOptions::default().limits);
    assert_eq!(limits.command_octets_max, 64);
    assert_eq!(limits.header_line_octets_max, 16 * 1024);
    assert_eq!(limits.headers_max, 256);
    assert_eq!(limits.body_octets_max, 16 * 1024 * 1024);
    assert_eq!(limits.before_login_octets_max, 8 * 1024);
    assert_eq!(limits.subscriptions_max, 1024);
    assert_eq!(limits.transactions_max, 16);
    assert_eq!(limits.transaction_frames_max, 1024);
    assert_eq!(limits.transaction_octets_max, 32 * 1024 * 1024);
    assert_eq!(BrokerLimits::default().session_temporary_max, 256);
}
