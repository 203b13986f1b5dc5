//! What destinations are called, and what that makes of their messages.

use crate::apps::{app, keeping};
use crate::client::{Client, EVERYWHERE, header};

#[tokio::test]
async fn a_topic_reaches_all_who_are_subscribed_at_the_moment() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            client.done("SEND\ndestination:/topic/t\n\nbefore").await;
            let mut other = Client::connect(&server, client.door, version).await;
            for it in [&mut client, &mut other] {
                it.subscribe("id:s\ndestination:/topic/t\n").await;
            }
            client.send("SEND\ndestination:/topic/t\n\nnow\0").await;
            client.message("now").await;
            other.message("now").await;
            client.done("UNSUBSCRIBE\nid:s\n\n").await;
            client.done("SEND\ndestination:/topic/t\n\nlater").await;
            other.message("later").await;
        })
        .await;
}

#[tokio::test]
async fn a_queue_keeps_each_message_for_one_consumer() {
    EVERYWHERE
        .attempt(app, async |server, mut client, version| {
            for body in ["1", "2"] {
                client.done(&format!("SEND\ndestination:/queue/q\n\n{body}")).await;
            }
            let mut other = Client::connect(&server, client.door, version).await;
            for (it, body) in [(&mut client, "1"), (&mut other, "2")] {
                it.send(
                    "SUBSCRIBE\nid:s\ndestination:/queue/q\nack:client\nprefetch-count:1\n\n\0",
                )
                .await;
                it.message(body).await;
                it.goes_on().await;
            }
        })
        .await;
}

/// SUBSCRIBE to, SEND to, each perhaps with more headers, and what MESSAGE calls it.
const SAME: [(&str, &str, &str); 17] = [
    ("/topic/a", "/topic/a", "/topic/a"),
    ("/topic/sla/sh", "/topic/sla/sh", "/topic/sla/sh"),
    ("/topic/b%2Fc", "/topic/b/c", "/topic/b/c"),
    ("/topic/d/e", "/topic/d%2Fe", "/topic/d/e"),
    ("/topic/100%25", "/topic/100%25", "/topic/100%"),
    ("/topic/%41", "/topic/%41", "/topic/%41"),
    ("/queue/a", "/queue/a", "/queue/a"),
    ("/queue/plain", "plain", "/queue/plain"),
    ("plain too", "/queue/plain too", "/queue/plain too"),
    ("/exchange/amq.topic/f.*", "/topic/f.g", "/topic/f.g"),
    ("/topic/h.#", "/exchange/amq.topic/h.i.j", "/topic/h.i.j"),
    ("/exchange/amq.direct/k", "/exchange/amq.direct/k", "/exchange/amq.direct/k"),
    ("/exchange/amq.fanout", "/exchange/amq.fanout/any", "/exchange/amq.fanout"),
    ("/topic/l", "l\ndestination-type:MULTICAST", "/topic/l"),
    ("m\nsubscription-type:MULTICAST", "/topic/m", "/topic/m"),
    ("/queue/n/o", "/n/o\ndestination-type:ANYCAST", "/queue/n/o"),
    ("/p\nsubscription-type:anycast", "p", "/queue/p"),
];

#[tokio::test]
async fn a_destination_has_the_names_of_every_broker() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for (number, (subscribe, send, shown)) in SAME.into_iter().enumerate() {
                client.subscribe(&format!("id:{number}\ndestination:{subscribe}\n")).await;
                client.send(format!("SEND\ndestination:{send}\n\n{number}\0")).await;
                let message = client.message(&number.to_string()).await;
                assert_eq!(header(&message, "subscription"), Some(&*number.to_string()));
                assert_eq!(header(&message, "destination"), Some(shown), "{subscribe}");
                client.done(&format!("UNSUBSCRIBE\nid:{number}\n\n")).await;
            }
        })
        .await;
}

#[tokio::test]
async fn the_exchanges_of_rabbitmq_have_keys_as_they_do_there() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:d\ndestination:/exchange/amq.direct/a.*\n").await;
            client.subscribe("id:f\ndestination:/exchange/amq.fanout/some\n").await;
            // The key of a direct exchange is no pattern.
            client.done("SEND\ndestination:/exchange/amq.direct/a.b\n\nno").await;
            client.send("SEND\ndestination:/exchange/amq.direct/a.*\n\nexactly\0").await;
            assert_eq!(header(&client.message("exactly").await, "subscription"), Some("d"));
            client.send("SEND\ndestination:/exchange/amq.fanout/other\n\nall\0").await;
            assert_eq!(header(&client.message("all").await, "subscription"), Some("f"));
        })
        .await;
}

#[tokio::test]
async fn an_amq_queue_must_exist() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            let send = "SEND\ndestination:/amq/queue/q\n\nm";
            let subscribe = "SUBSCRIBE\nid:s\ndestination:/amq/queue/q\n\n";
            client.refused(send, "no such queue").await;
            client.refused(subscribe, "no such queue").await;
            client.done("SEND\ndestination:/queue/q\n\nm").await;
            client.done(send).await;
            client.done(subscribe).await;
            let message = client.message("m").await;
            assert_eq!(header(&message, "destination"), Some("/queue/q"));
            client.message("m").await;
        })
        .await;
}

/// A pattern, names that match it, and names that do not.
const PATTERNS: [(&str, &[&str], &[&str]); 7] = [
    ("/topic/a.*", &["/topic/a.b", "/topic/a/b"], &["/topic/a", "/topic/a.b.c", "/topic/b.b"]),
    ("/topic/*/c", &["/topic/b/c", "/topic/b.c"], &["/topic/c", "/topic/a/b/c"]),
    ("/topic/a.#", &["/topic/a", "/topic/a.b", "/topic/a.b.c"], &["/topic/b", "/topic/ab"]),
    ("/topic/#.c", &["/topic/c", "/topic/a.b.c"], &["/topic/a.b", "/topic/c.d"]),
    ("/topic/a.#.c", &["/topic/a.c", "/topic/a.b.b.c"], &["/topic/a.b", "/topic/c"]),
    ("/topic/a.>", &["/topic/a", "/topic/a.b", "/topic/a.b.c"], &["/topic/b"]),
    ("/topic/a/**", &["/topic/a", "/topic/a/b/c"], &["/topic/b/a"]),
];

#[tokio::test]
async fn subscribers_of_topics_have_patterns() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for (pattern, matching, others) in PATTERNS {
                client.subscribe(&format!("id:s\ndestination:{pattern}\n")).await;
                for name in others {
                    client.done(&format!("SEND\ndestination:{name}\n\n")).await;
                }
                for name in matching {
                    client.send(format!("SEND\ndestination:{name}\n\n{name}\0")).await;
                    let message = client.message(name).await;
                    assert_eq!(header(&message, "destination"), Some(*name), "{pattern}");
                }
                client.done("UNSUBSCRIBE\nid:s\n\n").await;
            }
            // Of a SEND a wildcard is a character as any other.
            client.subscribe("id:s\ndestination:/topic/a.b\n").await;
            client.done("SEND\ndestination:/topic/a.*\n\n").await;
        })
        .await;
}

#[tokio::test]
async fn several_destinations_may_be_named_at_once() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/a , /queue/b\n").await;
            for to in ["/topic/a", "/queue/b"] {
                let message = client.ask(format!("SEND\ndestination:{to}\n\n\0")).await;
                assert_eq!(header(&message, "destination"), Some(to));
                assert_eq!(header(&message, "subscription"), Some("s"));
            }
            client.send("SEND\ndestination:/queue/b,/topic/a\n\nboth\0").await;
            let mut shown = Vec::new();
            for _ in 0..2 {
                let message = client.message("both").await;
                shown.push(header(&message, "destination").unwrap().to_owned());
            }
            shown.sort();
            assert_eq!(shown, ["/queue/b", "/topic/a"]);
            // All or none.
            client
                .refused("SEND\ndestination:/topic/a,/nowhere/c\n\n", "unknown destination")
                .await;
            let several = "SUBSCRIBE\nid:t\ndestination:/topic/a,/nowhere/c\n\n";
            client.refused(several, "unknown destination").await;
            client.refused("SEND\ndestination:/topic/a,\n\n", "invalid destination").await;
            let message = client.ask("SEND\ndestination:/topic/a\n\nonce\0").await;
            assert!(message.ends_with("once\0"), "{message:?}");
            client.done("UNSUBSCRIBE\nid:s\n\n").await;
            client.done("SEND\ndestination:/topic/a\n\n").await;
        })
        .await;
}

#[tokio::test]
async fn what_is_no_destination_is_refused_with_advice() {
    let refused = [
        ("/foo/bar", "unknown destination", "/topic/NAME or /queue/NAME"),
        ("/topic/", "unknown destination", "/topic/NAME or /queue/NAME"),
        ("/exchange/mine/k", "unknown destination", "amq.direct/KEY"),
        ("/exchange/amq.direct", "unknown destination", "amq.direct/KEY"),
    ];
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            for (destination, message, advice) in refused {
                for frame in [
                    format!("SEND\ndestination:{destination}\n\n"),
                    format!("SUBSCRIBE\nid:s\ndestination:{destination}\n\n"),
                ] {
                    let error = client.refused(&frame, message).await;
                    assert!(error.contains(advice), "{error:?}");
                }
            }
            for frame in ["SEND\ndestination:\n\n", "SUBSCRIBE\nid:s\ndestination:\n\n"] {
                let command = frame.lines().next().unwrap();
                client.refused(frame, &format!("{command} without destination")).await;
            }
            let pattern = "SUBSCRIBE\nid:s\ndestination:/queue/a.*\n\n";
            client.refused(pattern, "wildcard for queues").await;
            for pattern in ["/topic/a*", "/topic/*a", "/topic/a.>.c"] {
                let subscribe = format!("SUBSCRIBE\nid:s\ndestination:{pattern}\n\n");
                client.refused(&subscribe, "wildcard means nothing").await;
            }
            for frame in [
                "SEND\ndestination:/queue/a,,/queue/b\n\n",
                "SUBSCRIBE\nid:s\ndestination:/queue/a,,/queue/b\n\n",
            ] {
                let error = client.refused(frame, "invalid destination").await;
                assert!(error.contains("a name beside a comma is empty"), "{error:?}");
            }
        })
        .await;
}

#[tokio::test]
async fn nobody_need_hear_what_they_have_said_themselves() {
    for name in ["no-local", "activemq.noLocal"] {
        EVERYWHERE
            .attempt(app, async |server, mut client, version| {
                client.subscribe(&format!("id:s\ndestination:/topic/t\n{name}:true\n")).await;
                let mut other = Client::connect(&server, client.door, version).await;
                client.done("SEND\ndestination:/topic/t\n\nmine").await;
                other.done("SEND\ndestination:/topic/t\n\nother's").await;
                client.message("other's").await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_topic_retains_a_message_where_it_is_asked_to() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let send = "SEND\ndestination:/topic/t.a\nretain";
            client.done(&format!("{send}:set\n\nold")).await;
            client.done(&format!("{send}:set\n\nkept")).await;
            client.done("SEND\ndestination:/topic/t.a\n\nnot kept").await;
            client.subscribe("id:s\ndestination:/topic/t.*\n").await;
            client.message("kept").await;
            client.send(format!("{send}:remove\n\ngone\0")).await;
            client.message("gone").await;
            client.subscribe("id:again\ndestination:/topic/t.a\n").await;
            client.goes_on().await;
        })
        .await;
}
