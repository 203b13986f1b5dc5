//! What broke other servers of STOMP.

use std::time::Duration;

use tidings::App;
use tidings::broker::Limits;
use tidings::endpoint::Principal;
use tidings::messaging::{AccessDenied, Login};
use tidings::server::StompOptions;

use crate::support::{Raw, serve};

/// How many stall at a time.
const STALLED: usize = 256;

async fn connected(server: &crate::Running) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    assert!(client.read_until("\0").await.starts_with("CONNECTED\n"));
    client
}

/// Selectors that are written as those were that others have evaluated, or gone astray at.
#[tokio::test]
async fn row_01_a_selector_is_no_program() {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let server = serve(App::builder().stomp_options(options).build().unwrap()).await;
    let mut client = connected(&server).await;
    for selector in [
        "T(java.lang.Runtime).getRuntime().exec('id')",
        "new java.lang.ProcessBuilder('id').start()",
        "headers['a'].matches('(a+)+b')",
        "#{7*7} = 49",
        "${env.HOME} = 'a'",
        "@bean.call() = 1",
        "system('id')",
        "a = 'b'; a = 'c'",
        "a matches '(a+)+b'",
        "{1,2}.![a]",
    ] {
        let head = "SUBSCRIBE\nid:1\ndestination:/topic/a\n";
        client.write(format!("{head}selector:{}\n\n\0", selector.replace(':', "\\c"))).await;
        let answer = client.read_until("\0").await;
        assert!(answer.contains("ERROR\nmessage:invalid selector\n"), "{selector}: {answer}");
    }
    // As much work as a pattern can make, which is soon done.
    let pattern = "%a".repeat(100);
    client
        .write(format!("SUBSCRIBE\nid:1\ndestination:/topic/a\nselector:a LIKE '{pattern}b'\n\n\0"))
        .await;
    let text = "a".repeat(8000);
    for end in ["c", "b"] {
        client.write(format!("SEND\ndestination:/topic/a\na:{text}{end}\n\n{end}\0")).await;
    }
    assert!(client.read_until("\0").await.ends_with("\n\nb\0"));
}

/// Lets in whoever is not Eve.
async fn but_eve(login: Login) -> Result<Principal, AccessDenied> {
    tokio::task::yield_now().await;
    let name = login.login.filter(|name| name != "eve");
    name.map(Principal::new).ok_or_else(|| AccessDenied::new("Not you."))
}

#[tokio::test]
async fn row_10_nothing_is_done_outside_of_a_session() {
    let app = App::builder().authenticator(but_eve).build().unwrap();
    let users = app.users();
    let server = serve(app).await;
    let connect = |name| format!("CONNECT\naccept-version:1.2\nhost:x\nlogin:{name}\n\n\0");
    let mut bystander = Raw::connect(server.stomp).await;
    bystander.write(connect("bystander")).await;
    bystander.write("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\0").await;
    bystander.read_until("receipt-id:s\n\n\0").await;

    let states = [
        ("before CONNECT", String::new(), "ERROR\n"),
        ("refused", connect("eve"), "ERROR\nmessage:access denied\n"),
        ("after DISCONNECT", connect("ann") + "DISCONNECT\nreceipt:d\n\n\0", "receipt-id:d\n"),
        ("after ERROR", connect("ann") + &connect("ann"), "ERROR\n"),
    ];
    let commands = [
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "ACK",
        "NACK",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "DISCONNECT",
        "MESSAGE",
        "RECEIPT",
        "CONNECTED",
        "ERROR",
    ];
    for (state, before, answer) in states {
        for command in commands {
            let mut client = Raw::connect(server.stomp).await;
            let frame = format!("{command}\nid:1\ndestination:/topic/a\ntransaction:t\n\n\0");
            client.write(before.clone() + &frame + "SEND\ndestination:/topic/a\n\nit\0").await;
            let read = client.read_to_end().await;
            assert!(read.contains(answer), "{command} {state}: {read:?}");
            assert_eq!(read.contains("CONNECTED\n"), before.contains("ann"), "{command} {state}");
            assert!(!read.contains("MESSAGE\n"), "{command} {state}: {read:?}");
        }
    }
    bystander.write("SEND\ndestination:/topic/a\n\nend\0").await;
    let message = bystander.read_until("\0").await;
    assert!(message.ends_with("\n\nend\0"), "{message:?}");
    assert_eq!(users.names(), ["bystander"]);
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
