//! Temporary destinations, and replies to them.

use crate::apps::keeping;
use crate::client::{Client, EVERYWHERE, IN_1_0, header};

/// What the worker sees of a request that wants its reply at `reply_to`.
async fn request(client: &mut Client, worker: &mut Client, reply_to: &str) -> String {
    worker.subscribe("id:w\ndestination:/queue/work\n").await;
    let headers = format!("destination:/queue/work\nreply-to:{reply_to}\ncorrelation-id:c7");
    client.done(&format!("SEND\n{headers}\n\n2+2")).await;
    let request = worker.message("2+2").await;
    assert_eq!(header(&request, "correlation-id"), Some("c7"));
    header(&request, "reply-to").unwrap().to_owned()
}

#[tokio::test]
async fn a_reply_comes_to_a_queue_that_nobody_has_subscribed_to() {
    EVERYWHERE
        .attempt(keeping, async |server, mut client, version| {
            let mut worker = Client::connect(&server, client.door, version).await;
            let reply_to = request(&mut client, &mut worker, "/temp-queue/r").await;
            assert!(reply_to.starts_with("/reply-queue/"), "{reply_to}");
            worker.done(&format!("SEND\ndestination:{reply_to}\n\n4")).await;
            let reply = client.message("4").await;
            assert_eq!(header(&reply, "subscription"), Some("/temp-queue/r"));
            assert_eq!(header(&reply, "destination"), Some("/temp-queue/r"));
            // The next request has the same queue.
            client.done("SEND\ndestination:/queue/work\nreply-to:/temp-queue/r\n\nagain").await;
            let again = worker.message("again").await;
            assert_eq!(header(&again, "reply-to"), Some(&*reply_to));
        })
        .await;
}

#[tokio::test]
async fn a_reply_comes_to_the_own_subscription_of_a_temporary_destination() {
    for (kind, remote) in
        [("/temp-queue/", "/remote-temp-queue/"), ("/temp-topic/", "/remote-temp-topic/")]
    {
        EVERYWHERE
            .attempt(keeping, async |server, mut client, version| {
                let own = format!("{kind}r");
                client.subscribe(&format!("id:mine\ndestination:{own}\n")).await;
                let mut worker = Client::connect(&server, client.door, version).await;
                let reply_to = request(&mut client, &mut worker, &own).await;
                assert!(reply_to.starts_with(remote), "{reply_to}");
                worker.done(&format!("SEND\ndestination:{reply_to}\n\n4")).await;
                let reply = client.message("4").await;
                assert_eq!(header(&reply, "subscription"), Some("mine"));
                assert_eq!(header(&reply, "destination"), Some(&*own));
                let spy = format!("SUBSCRIBE\nid:spy\ndestination:{reply_to}\n\n");
                worker.refused(&spy, "not your temporary destination").await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_temporary_destination_is_of_one_connection() {
    for kind in ["/temp-queue/", "/temp-topic/"] {
        EVERYWHERE
            .attempt(keeping, async |server, mut client, version| {
                let own = format!("{kind}r");
                let mut other = Client::connect(&server, client.door, version).await;
                for it in [&mut client, &mut other] {
                    it.subscribe(&format!("id:s\ndestination:{own}\n")).await;
                }
                other.send(format!("SEND\ndestination:{own}\n\nother's\0")).await;
                other.message("other's").await;
                client.send(format!("SEND\ndestination:{own}\n\nmine\0")).await;
                client.message("mine").await;
                other.goes_on().await;
            })
            .await;
    }
}

#[tokio::test]
async fn a_temporary_destination_is_gone_with_its_connection() {
    EVERYWHERE
        .attempt(keeping, async |server, mut client, version| {
            let mut worker = Client::connect(&server, client.door, version).await;
            let reply_to = request(&mut client, &mut worker, "/temp-queue/r").await;
            client.leave().await;
            worker.send(format!("SEND\ndestination:{reply_to}\n\ntoo late\0")).await;
            worker.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn blanks_around_reply_to_do_not_count_in_1_0() {
    IN_1_0
        .attempt(keeping, async |server, mut client, version| {
            let mut worker = Client::connect(&server, client.door, version).await;
            let reply_to = request(&mut client, &mut worker, " /temp-queue/r ").await;
            worker.done(&format!("SEND\ndestination:{reply_to}\n\n4")).await;
            let reply = client.message("4").await;
            assert_eq!(header(&reply, "subscription"), Some("/temp-queue/r"));
            assert_eq!(header(&reply, "destination"), Some("/temp-queue/r"));
        })
        .await;
}
