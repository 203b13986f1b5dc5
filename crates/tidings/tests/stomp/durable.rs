//! Durable subscriptions, under the headers of all three families of brokers.

use crate::apps::keeping;
use crate::client::{Client, EVERYWHERE, IN_1_0, header};
use crate::support::{PATIENCE, Running, serve};
use tidings::App;
use tidings::store::MemoryStore;

/// The headers by which the clients of a broker ask for a durable subscription, and end it.
const FAMILIES: [&str; 6] = [
    "durable:true\nauto-delete:false\n",
    "persistent:true\nauto-delete:false\n",
    "durable:true\nauto-delete:false\nx-queue-name:q\n",
    "activemq.subscriptionName:a\n",
    "durable-subscription-name:b\n",
    "durable-subscriber-name:c\n",
];

/// One more connection of the same client, as the other.
async fn again(server: &Running, client: &Client, version: &str) -> Client {
    Client::connect_with(server, client.door, version, "client-id:c\n").await
}

#[tokio::test]
async fn a_durable_subscription_outlives_its_client_and_the_server() {
    let start = async |store: &MemoryStore| {
        let app = App::builder().stomp("/stomp").store(store.clone());
        serve(app.build().unwrap()).await
    };
    let subscribe =
        |number, family| format!("id:{number}\ndestination:/topic/{number}.*\n{family}");
    for (door, version) in EVERYWHERE.each() {
        let store = MemoryStore::new();
        let server = start(&store).await;
        let mut client = Client::connect_with(&server, door, version, "client-id:c\n").await;
        for (number, family) in FAMILIES.into_iter().enumerate() {
            client.subscribe(&subscribe(number, family)).await;
        }
        client.leave().await;
        let mut sender = Client::connect(&server, door, version).await;
        for number in 0..FAMILIES.len() {
            let headers = format!("destination:/topic/{number}.x\npersistent:true");
            sender.done(&format!("SEND\n{headers}\n\nkept {number}")).await;
        }
        sender.leave().await;
        server.stop().await.unwrap();

        let server = start(&store).await;
        let mut client = Client::connect_with(&server, door, version, "client-id:c\n").await;
        for (number, family) in FAMILIES.into_iter().enumerate() {
            client.subscribe(&subscribe(number, family)).await;
            let message = client.message(&format!("kept {number}")).await;
            let (destination, id) = (format!("/topic/{number}.x"), number.to_string());
            assert_eq!(header(&message, "destination"), Some(&*destination), "{family}");
            assert_eq!(header(&message, "subscription"), Some(&*id), "{family}");
            // UNSUBSCRIBE with the same headers ends it for good.
            client.done(&format!("UNSUBSCRIBE\nid:{number}\n{family}\n")).await;
            client.done(&format!("SEND\ndestination:{destination}\n\nfor nobody")).await;
            client.subscribe(&subscribe(number, family)).await;
            client.goes_on().await;
        }
        client.leave().await;
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_durable_subscription_stays_until_it_is_ended_by_its_name() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            for family in FAMILIES {
                let subscribe = format!("id:s\ndestination:/topic/n\n{family}");
                let mut first = again(&server, &client, version).await;
                first.subscribe(&subscribe).await;
                first.done("UNSUBSCRIBE\nid:s\n\n").await;
                first.done("SEND\ndestination:/topic/n\n\nafter UNSUBSCRIBE").await;
                first.subscribe(&subscribe).await;
                first.message("after UNSUBSCRIBE").await;
                let mut second = again(&server, &client, version).await;
                if family.contains("x-queue-name") {
                    first.leave().await;
                } else {
                    first.vanish();
                    // The server has noticed when the place is free.
                    let frame = format!("SUBSCRIBE\nreceipt:r\n{subscribe}\n\0");
                    let subscribed =
                        async { while !second.ask(&frame).await.starts_with("RECEIPT") {} };
                    tokio::time::timeout(PATIENCE, subscribed).await.unwrap();
                }
                second.leave().await;

                let mut third = again(&server, &client, version).await;
                third.done("SEND\ndestination:/topic/n\n\nwhile away").await;
                // Nobody uses it now: the destination says which one of RabbitMQ's is meant.
                let end = format!("UNSUBSCRIBE\nid:s\ndestination:/topic/n\n{family}\n");
                third.done(&end).await;
                third.refused(&end, "durable subscription was not deleted").await;
                third.subscribe(&subscribe).await;
                third.goes_on().await;
                third.done(&end).await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_durable_subscription_has_one_consumer_unless_it_is_shared() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            for family in FAMILIES {
                let named = format!("id:s\ndestination:/topic/n\n{family}");
                let mut first = again(&server, &client, version).await;
                let mut second = again(&server, &client, version).await;
                if !family.contains("x-queue-name") {
                    first.subscribe(&named).await;
                    let alone = format!("SUBSCRIBE\n{named}\n");
                    second.refused(&alone, "durable subscription is in use").await;
                    first.done("UNSUBSCRIBE\nid:s\n\n").await;
                }
                let shared = format!("{named}shared:true\nack:client\nprefetch-count:1\n");
                for it in [&mut first, &mut second] {
                    it.subscribe(&shared).await;
                }
                let mut sender = again(&server, &client, version).await;
                for body in ["1", "2"] {
                    sender.done(&format!("SEND\ndestination:/topic/n\n\n{body}")).await;
                }
                let mut bodies = [first.frame().await, second.frame().await]
                    .map(|message| message.trim_end_matches('\0').chars().last());
                bodies.sort_unstable();
                assert_eq!(bodies, [Some('1'), Some('2')], "{family}");
                let end = format!("UNSUBSCRIBE\nid:s\n{family}\n");
                // It ends by its name once nobody else uses it; this one's part in it ends at any rate.
                first.refused(&end, "durable subscription was not deleted").await;
                second.done(&end).await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_subscription_that_deletes_itself_is_not_durable() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            let subscribe = "id:s\ndestination:/topic/n\ndurable:true\nauto-delete:true\n";
            let mut first = again(&server, &client, version).await;
            first.subscribe(subscribe).await;
            first.leave().await;
            let mut second = again(&server, &client, version).await;
            second.done("SEND\ndestination:/topic/n\n\nlost").await;
            second.subscribe(subscribe).await;
            second.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_durable_subscription_keeps_what_its_selector_wants() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            for family in FAMILIES {
                let subscribe =
                    format!("id:s\ndestination:/topic/n\nselector:color = 'red'\n{family}");
                let mut first = again(&server, &client, version).await;
                first.subscribe(&subscribe).await;
                first.done("UNSUBSCRIBE\nid:s\n\n").await;
                for color in ["blue", "red"] {
                    let headers = format!("destination:/topic/n\ncolor:{color}");
                    first.done(&format!("SEND\n{headers}\n\n{color}")).await;
                }
                first.subscribe(&subscribe).await;
                first.message("red").await;
                first.done(&format!("UNSUBSCRIBE\nid:s\n{family}\n")).await;
            }
        })
        .await;
}

/// What comes of a durable subscription that is asked for with another topic.
enum Another {
    /// It is another subscription.
    Other,
    /// It begins anew.
    Anew,
    /// That is refused.
    Refused,
}

#[tokio::test]
async fn another_topic_means_what_it_means_with_each_broker() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            for family in FAMILIES {
                let another = match family {
                    it if it.contains("x-queue-name") => Another::Refused,
                    it if it.contains("auto-delete") => Another::Other,
                    _ => Another::Anew,
                };
                let of = |topic| format!("id:s\ndestination:/topic/{topic}\n{family}");
                let mut client = again(&server, &client, version).await;
                client.subscribe(&of("a")).await;
                client.done("UNSUBSCRIBE\nid:s\n\n").await;
                client.done("SEND\ndestination:/topic/a\n\nkept").await;
                if let Another::Refused = another {
                    let frame = format!("SUBSCRIBE\n{}\n", of("b"));
                    client.refused(&frame, "durable subscription differs").await;
                } else {
                    client.subscribe(&of("b")).await;
                    client.done("UNSUBSCRIBE\nid:s\n\n").await;
                }
                client.subscribe(&of("a")).await;
                if !matches!(another, Another::Anew) {
                    client.message("kept").await;
                }
                client.goes_on().await;
                client.done(&format!("UNSUBSCRIBE\nid:s\n{family}\n")).await;
            }
        })
        .await;
}

#[tokio::test]
async fn a_durable_subscription_is_of_its_client() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            for family in FAMILIES.into_iter().filter(|it| !it.contains("x-queue-name")) {
                let subscribe = format!("id:s\ndestination:/topic/n\n{family}");
                let mut clients = Vec::new();
                for headers in ["client-id:c\n", "client-id:d\n", "login:c\n", ""] {
                    let door = client.door;
                    let mut it = Client::connect_with(&server, door, version, headers).await;
                    it.subscribe(&subscribe).await;
                    clients.push(it);
                }
                let mut sender = again(&server, &client, version).await;
                sender.done("SEND\ndestination:/topic/n\n\nto all").await;
                for it in &mut clients {
                    it.message("to all").await;
                    it.done(&format!("UNSUBSCRIBE\nid:s\n{family}\n")).await;
                }
            }
        })
        .await;
}

#[tokio::test]
async fn a_durable_subscription_is_to_one_topic_and_keeps_nobody_from_sending() {
    EVERYWHERE
        .attempt(keeping, async |server, client, version| {
            let mut client = again(&server, &client, version).await;
            for family in FAMILIES {
                let several = format!("SUBSCRIBE\nid:s\ndestination:/topic/a,/topic/b\n{family}\n");
                client.refused(&several, "durable subscription to several destinations").await;
                let refusing = "x-max-length:1\nx-overflow:reject-publish\n";
                let one = format!("SUBSCRIBE\nid:s\ndestination:/topic/a\n{refusing}{family}\n");
                client.refused(&one, "durable subscription may not refuse messages").await;
            }
        })
        .await;
}

#[tokio::test]
async fn blanks_around_names_do_not_count_in_1_0() {
    let server = serve(keeping()).await;
    for (door, version) in IN_1_0.each() {
        for family in FAMILIES {
            let padded = family.replace(':', ": ").replace('\n', " \n");
            let mut client = Client::connect_with(&server, door, version, "client-id: c \n").await;
            client
                .subscribe(&format!(
                    "id: s \ndestination: /topic/n \nselector: color = 'red' \n{padded}"
                ))
                .await;
            client.leave().await;
            let mut client = Client::connect_with(&server, door, version, "client-id:c\n").await;
            client.done("SEND\ndestination:/topic/n\ncolor:red\n\nkept").await;
            client
                .subscribe(&format!("id:s\ndestination:/topic/n\nselector:color = 'red'\n{family}"))
                .await;
            client.message("kept").await;
            client.done(&format!("UNSUBSCRIBE\nid: s \n{padded}\n")).await;
        }
    }
}
