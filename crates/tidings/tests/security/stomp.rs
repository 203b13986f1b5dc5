//! What broke other servers of STOMP.

use std::time::Duration;

use tidings::App;
use tidings::broker::Limits;

use crate::support::{Raw, serve};

/// How many stall at a time.
const STALLED: usize = 256;

async fn connected(server: &crate::Running) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    assert!(client.read_until("\0").await.starts_with("CONNECTED\n"));
    client
}

#[tokio::test]
async fn row_11_half_a_frame_of_many_holds_up_nobody_else() {
    let server = serve(App::builder().build().unwrap()).await;
    let mut stalled = Vec::new();
    for half in ["SEND\ndesti", "SEND\ndestination:/topic/a\n\nhal"].repeat(STALLED / 2) {
        let mut client = connected(&server).await;
        client.write(half).await;
        stalled.push(client);
    }
    let mut other = connected(&server).await;
    other.write("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0").await;
    other.write("SEND\ndestination:/topic/a\n\nwhole\0").await;
    assert!(other.read_until("\0").await.ends_with("\n\nwhole\0"));
    // Theirs go on where they stopped.
    let mut last = stalled.pop().unwrap();
    last.write("f\0").await;
    assert!(other.read_until("\0").await.ends_with("\n\nhalf\0"));
}

#[tokio::test]
async fn row_12_what_is_never_acknowledged_counts_for_the_queue() {
    let limits = Limits { queue_messages_max: 10, ..Limits::default() };
    let app = App::builder().broker_limits(limits).publish_wait_max(Duration::ZERO);
    let server = serve(app.build().unwrap()).await;
    let mut consumer = connected(&server).await;
    let head =
        "SUBSCRIBE\nid:1\ndestination:/queue/a\nack:client\nprefetch-count:0\nreceipt:s\n\n\0";
    consumer.write(head).await;
    assert!(consumer.read_until("\0").await.starts_with("RECEIPT\n"));
    let mut sender = connected(&server).await;
    let send = "SEND\ndestination:/queue/a\nreceipt:r\n\nm\0";
    for _ in 0..10 {
        sender.write(send).await;
        assert!(sender.read_until("\0").await.trim_start().starts_with("RECEIPT\n"));
        assert!(consumer.read_until("\0").await.trim_start().starts_with("MESSAGE\n"));
    }
    sender.write(send).await;
    let error = sender.read_until("\0").await;
    assert!(error.contains("message:queue is full\n"), "{error:?}");
}
