//! STOMP by every door, byte for byte as a client sees it.

use crate::support::{PATIENCE, Raw, Running, WebSocket, http, serve};
use serde::{Deserialize, Serialize};
use tidings::broker::Limits;
use tidings::endpoint::{Json, Message, Session};
use tidings::messaging::{Messenger, SessionEvent, SessionListener};
use tidings::server::StompOptions;
use tidings::{App, controller};
use tokio::sync::mpsc;

struct Greetings;

#[derive(Deserialize)]
struct HelloMessage {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    content: String,
}

#[controller]
impl Greetings {
    #[message_mapping("/hello")]
    #[send_to("/topic/greetings")]
    async fn greeting(&self, Json(message): Json<HelloMessage>) -> Json<Greeting> {
        Json(Greeting { content: format!("Hello, {}!", message.name) })
    }

    #[message_mapping("/rooms/{room}/say")]
    #[send_to("/topic/rooms/{room}", "/topic/log")]
    fn say(
        &self,
        #[destination_variable] room: String,
        #[header("shout")] shout: Option<bool>,
        text: String,
    ) -> String {
        let text = if shout == Some(true) { text.to_uppercase() } else { text };
        format!("{room}: {text}")
    }

    #[message_mapping("/default")]
    fn default_destination(&self) -> &'static str {
        "by default"
    }

    #[message_mapping("/panic")]
    fn panics(&self) {
        panic!("as asked");
    }

    #[subscribe_mapping("/state")]
    fn state(&self) -> Json<[u8; 2]> {
        Json([4, 2])
    }

    #[message_mapping("/tell")]
    async fn tell(&self, messenger: Messenger, session: Session, text: String) {
        let open = session.is_open();
        messenger.send("/topic/told", format!("{text} {open}")).await.unwrap();
    }
}

fn app() -> App {
    App::builder().stomp("/stomp").controller(Greetings).build().unwrap()
}

/// A STOMP client over TCP.
async fn tcp(server: &Running, version: &str) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write(format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0")).await;
    let connected = client.read_until("\0").await;
    assert!(connected.trim_start().starts_with("CONNECTED\n"), "{connected:?}");
    assert!(connected.contains(&format!("version:{version}\n")), "{connected:?}");
    client
}

/// A STOMP client over WebSocket.
async fn websocket(server: &Running) -> WebSocket {
    let offer = "Sec-WebSocket-Protocol: v12.stomp, v11.stomp\r\n";
    let mut client = WebSocket::connect(server.http, "/stomp", offer).await.unwrap();
    assert!(client.head.to_lowercase().contains("sec-websocket-protocol: v12.stomp\r\n"));
    client.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    assert!(client.text().await.starts_with("CONNECTED\n"));
    client
}

async fn subscribe(client: &mut Raw, id: &str, destination: &str) {
    let receipt = format!("r-{id}");
    client
        .write(format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\nreceipt:{receipt}\n\n\0"))
        .await;
    assert!(client.read_until("\0").await.contains(&format!("receipt-id:{receipt}")));
}

#[tokio::test]
async fn a_person_with_telnet_connects_subscribes_sends_and_sees() {
    let server = serve(app()).await;
    let mut person = Raw::connect(server.stomp).await;
    person.write("\r\nCONNECT\r\n\r\n\0\r\n").await;
    assert!(person.read_until("\0").await.contains("CONNECTED\n"));
    person.write("SUBSCRIBE\r\ndestination:/topic/a\r\n\r\n\0\r\n").await;
    person.write("SEND\r\ndestination:/topic/a\r\n\r\nhello\0\r\n").await;
    let message = person.read_until("\0").await;
    assert!(message.contains("MESSAGE\n") && message.ends_with("\n\nhello\0"), "{message:?}");
}

#[tokio::test]
async fn every_version_reaches_the_same_destination_by_every_door() {
    let server = serve(app()).await;
    let mut subscribers = Vec::new();
    for version in ["1.0", "1.1", "1.2"] {
        let mut client = tcp(&server, version).await;
        subscribe(&mut client, "s", "/topic/all").await;
        subscribers.push(client);
    }
    let mut browser = websocket(&server).await;
    browser.send("SUBSCRIBE\nid:b\ndestination:/topic/all\nreceipt:1\n\n\0").await;
    assert!(browser.text().await.starts_with("RECEIPT\n"));

    browser.send("SEND\ndestination:/topic/all\nx:a\\cb\n\nto all\0").await;
    let text = browser.text().await;
    assert!(text.contains("\nx:a\\cb\n") && text.contains("\nsubscription:b\n"), "{text:?}");
    let escaped = ["x:a:b\n", "x:a\\cb\n", "x:a\\cb\n"];
    for (client, header) in subscribers.iter_mut().zip(escaped) {
        let message = client.read_until("\0").await;
        assert!(message.contains(header) && message.ends_with("to all\0"), "{message:?}");
    }
}

#[tokio::test]
async fn controllers_answer_to_their_destinations() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    for destination in ["greetings", "rooms/7", "log", "default", "told"] {
        subscribe(&mut client, destination, &format!("/topic/{destination}")).await;
    }
    let mut ask = async |frame: &str, answers: &[&str]| {
        client.write(frame).await;
        for answer in answers {
            let message = client.read_until("\0").await;
            assert!(message.contains(answer), "{message:?} lacks {answer:?}");
        }
    };
    ask(
        "SEND\ndestination:/app/hello\n\n{\"name\":\"Ann\"}\0",
        &["content-type:application/json\n"],
    )
    .await;
    ask(
        "SEND\ndestination:/app/rooms/7/say\nshout:true\n\nhey\0",
        &["subscription:rooms/7\n", "subscription:log\n"],
    )
    .await;
    ask("SEND\ndestination:/app/default\n\n\0", &["by default\0"]).await;
    ask("SEND\ndestination:/app/tell\n\nit\0", &["it true\0"]).await;
    ask("SUBSCRIBE\nid:state\ndestination:/app/state\n\n\0", &["\n\n[4,2]\0"]).await;
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_costs_nothing_but_its_reply() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    client.write("SEND\ndestination:/app/hello\n\nno json\0").await;
    client.write("SEND\ndestination:/app/panic\n\n\0").await;
    client.write("SEND\ndestination:/app/nobody\n\n\0").await;
    client.write("SEND\ndestination:/topic/nobody\nreceipt:still-here\n\n\0").await;
    assert!(client.read_until("\0").await.contains("receipt-id:still-here"));
}

#[tokio::test]
async fn who_asks_for_a_receipt_is_told_that_no_handler_has_done_the_work() {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let limits = Limits { session_temporary_max: 0, ..Limits::default() };
    let app = App::builder().stomp("/stomp").controller(Greetings).stomp_options(options);
    let app = app.broker_limits(limits);
    let server = serve(app.build().unwrap()).await;
    let mut client = tcp(&server, "1.2").await;
    let mut ask = async |frame: &str, answer: &str| {
        client.write(frame).await;
        let got = client.read_until("\0").await;
        let start = got.trim_start().starts_with(answer);
        assert!(start && got.contains("receipt-id:r\n"), "{frame:?}: {got:?}");
    };
    ask("SEND\ndestination:/app/helo\nreceipt:r\n\n\0", "ERROR\nmessage:no handler\n").await;
    ask("SUBSCRIBE\nid:1\ndestination:/app/stat\nreceipt:r\n\n\0", "ERROR\nmessage:no handler\n")
        .await;
    ask(
        "SEND\ndestination:/app/hello\nreceipt:r\n\nno json\0",
        "ERROR\nmessage:message not taken\n",
    )
    .await;
    ask("SEND\ndestination:/app/panic\nreceipt:r\n\n\0", "ERROR\nmessage:handler failed\n").await;
    ask("SEND\ndestination:/app/default\nreceipt:r\n\n\0", "RECEIPT\n").await;
    // Nothing of a transaction is done that has nobody for one of its frames.
    ask("SUBSCRIBE\nid:t\ndestination:/topic/t\nreceipt:r\n\n\0", "RECEIPT\n").await;
    let send = |to| format!("SEND\ndestination:{to}\ntransaction:t\nreceipt:r\n\n\0");
    let begin = "BEGIN\ntransaction:t\n\n\0".to_owned() + &send("/topic/t");
    let commit = "COMMIT\ntransaction:t\nreceipt:r\n\n\0";
    for to in ["/app/helo", "/app/default\nreply-to:/temp-queue/a"] {
        ask(&(begin.clone() + &send(to) + commit), "ERROR\n").await;
    }
    // The id of the refused one is free.
    ask("SUBSCRIBE\nid:1\ndestination:/app/state\nreceipt:r\n\n\0", "RECEIPT\n").await;
}

#[tokio::test]
async fn a_queue_gives_each_message_to_one_consumer_and_takes_back_what_is_not_acknowledged() {
    let server = serve(app()).await;
    let mut first = tcp(&server, "1.2").await;
    let mut producer = tcp(&server, "1.2").await;
    producer.write("SEND\ndestination:/queue/work\nreceipt:1\n\njob\0").await;
    producer.read_until("\0").await;

    first.write("SUBSCRIBE\nid:s\ndestination:/queue/work\nack:client-individual\n\n\0").await;
    let message = first.read_until("\0").await;
    assert!(message.contains("\nack:") && message.ends_with("job\0"), "{message:?}");
    drop(first);

    let mut second = tcp(&server, "1.2").await;
    second.write("SUBSCRIBE\nid:s\ndestination:/queue/work\nack:client-individual\n\n\0").await;
    let message = second.read_until("\0").await;
    assert!(message.contains("redelivered:true") && message.ends_with("job\0"), "{message:?}");
    let ack = message.lines().find_map(|line| line.strip_prefix("ack:")).unwrap();
    second.write(format!("ACK\nid:{ack}\nreceipt:done\n\n\0")).await;
    assert!(second.read_until("\0").await.contains("receipt-id:done"));
    drop(second);

    let mut third = tcp(&server, "1.2").await;
    third.write("SUBSCRIBE\nid:s\ndestination:/queue/work\nreceipt:1\n\n\0").await;
    third.read_until("\0").await;
    third.write("SEND\ndestination:/queue/work\n\nlast\0").await;
    assert!(third.read_until("\0").await.ends_with("last\0"), "what is acknowledged is gone");
}

#[tokio::test]
async fn the_receipt_of_a_subscription_comes_before_its_backlog() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    for text in ["a", "b"] {
        client.write(format!("SEND\ndestination:/queue/backlog\n\n{text}\0")).await;
    }
    client.write("SUBSCRIBE\nid:s\ndestination:/queue/backlog\nreceipt:r\n\n\0").await;
    assert!(client.read_until("\0").await.contains("receipt-id:r"));
    assert!(client.read_until("\0").await.ends_with("a\0"));
    assert!(client.read_until("\0").await.ends_with("b\0"));
}

#[tokio::test]
async fn a_transaction_takes_effect_at_its_commit_or_never() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    subscribe(&mut client, "s", "/topic/t").await;
    client
        .write("BEGIN\ntransaction:a\n\n\0SEND\ndestination:/topic/t\ntransaction:a\n\naborted\0")
        .await;
    client.write("ABORT\ntransaction:a\n\n\0").await;
    client
        .write("BEGIN\ntransaction:b\n\n\0SEND\ndestination:/topic/t\ntransaction:b\n\ncommitted\0")
        .await;
    client.write("SEND\ndestination:/topic/t\n\nbetween\0COMMIT\ntransaction:b\n\n\0").await;
    assert!(client.read_until("\0").await.ends_with("between\0"));
    assert!(client.read_until("\0").await.ends_with("committed\0"));
}

#[tokio::test]
async fn bad_frames_are_answered_with_error_and_the_end() {
    let server = serve(app()).await;
    for frame in [
        "SEND\ndestination:/topic/a\n\nbefore CONNECT\0",
        "CONNECT\nno colon\n\n\0",
        "CONNECT\n\n\0SEND\ndestination:/topic/a\ncontent-length:-1\n\nx\0",
        "CONNECT\n\n\0send\ndestination:/topic/a\n\nx\0",
        "CONNECT\n\n\0SEND\ndestination:/nowhere\n\nx\0",
        "CONNECT\naccept-version:7\n\n\0",
    ] {
        let mut client = Raw::connect(server.stomp).await;
        client.write(frame).await;
        let answer = client.read_to_end().await;
        assert!(answer.contains("ERROR\n") && answer.contains("message:"), "{frame:?}: {answer:?}");
    }
}

#[tokio::test]
async fn disconnect_is_answered_after_everything_before_it() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    client.write("SEND\ndestination:/topic/a\nreceipt:1\n\n\0DISCONNECT\nreceipt:2\n\n\0").await;
    let answer = client.read_to_end().await;
    let (first, second) = (answer.find("receipt-id:1"), answer.find("receipt-id:2"));
    assert!(first.is_some() && first < second, "{answer:?}");
}

#[tokio::test]
async fn stomp_over_sockjs_reaches_the_same_destinations() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    subscribe(&mut client, "s", "/topic/a").await;

    let mut sockjs = server.websocket("/stomp/000/abcdefgh/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\nheart-beat:0,0\n\n\u0000"]"#).await;
    assert!(sockjs.text().await.starts_with(r#"a["CONNECTED\n"#));
    sockjs.send(r#"["SEND\ndestination:/topic/a\n\nby SockJS\u0000"]"#).await;
    assert!(client.read_until("\0").await.ends_with("by SockJS\0"));

    let get = "GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(http(server.http, get).await.ends_with("Welcome to SockJS!\n"));
}

#[tokio::test]
async fn a_body_that_is_no_text_arrives_in_a_binary_message() {
    let server = serve(app()).await;
    let mut browser = websocket(&server).await;
    browser.send("SUBSCRIBE\nid:b\ndestination:/topic/bin\nreceipt:1\n\n\0").await;
    browser.text().await;
    browser.send(b"SEND\ndestination:/topic/bin\ncontent-length:3\n\n\xff\0\xfe\0".to_vec()).await;
    let Message::Binary(frame) = browser.message().await else { panic!("expected binary") };
    assert!(frame.ends_with(b"\n\n\xff\0\xfe\0"));
}

struct Told(mpsc::UnboundedSender<&'static str>);

impl SessionListener for Told {
    async fn on_event(&self, event: &SessionEvent, _: &Messenger) {
        let name = match event {
            SessionEvent::Connected { .. } => "connected",
            SessionEvent::Subscribed { .. } => "subscribed",
            SessionEvent::Unsubscribed { .. } => "unsubscribed",
            SessionEvent::Disconnected { .. } => "disconnected",
            _ => "?",
        };
        let _ = self.0.send(name);
    }
}

#[tokio::test]
async fn listeners_are_told_once_and_in_order() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let app = App::builder().stomp("/stomp").session_listener(Told(sender)).build().unwrap();
    let server = serve(app).await;
    let mut client = tcp(&server, "1.2").await;
    subscribe(&mut client, "s", "/topic/a").await;
    client.write("UNSUBSCRIBE\nid:s\n\n\0DISCONNECT\n\n\0").await;
    client.read_to_end().await;
    for expected in ["connected", "subscribed", "unsubscribed", "disconnected"] {
        let event = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
        assert_eq!(event, Some(expected));
    }
}

#[tokio::test]
async fn shutdown_tells_a_client_over_tcp() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    let stopped = server.stop();
    assert!(client.read_to_end().await.contains("message:server is shutting down"));
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_a_subscriber_asks_for_in_headers_is_done() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    client
        .write(
            "SEND\ndestination:/queue/a\ncolor:red\n\n1\0\
             SEND\ndestination:/queue/a\ncolor:blue\npriority:9\n\n2\0\
             SUBSCRIBE\nid:b\ndestination:/queue/a\nbrowser:true\n\n\0",
        )
        .await;
    let browsed = client.read_until("browser:end\n\n\0").await;
    let at = |text: &str| browsed.find(text).unwrap_or_else(|| panic!("{text} in {browsed}"));
    assert!(at("\n2\0") < at("\n1\0"), "{browsed}");
    client
        .write(
            "SUBSCRIBE\nid:s\ndestination:/queue/a\nselector:color = 'red'\n\n\0\
             UNSUBSCRIBE\nid:s\nreceipt:r\n\n\0",
        )
        .await;
    let selected = client.read_until("receipt-id:r").await;
    assert!(selected.contains("color:red") && !selected.contains("color:blue"), "{selected}");
}

#[tokio::test]
async fn what_is_not_wanted_or_expires_becomes_a_dead_letter() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.1").await;
    client
        .write(
            "SUBSCRIBE\nid:d\ndestination:/queue/DLQ.a\n\n\0\
             SEND\ndestination:/queue/a\nexpiration:1\n\nlate\0",
        )
        .await;
    let letter = client.read_until("late\0").await;
    assert!(letter.contains("x-death-reason:expired\n"), "{letter}");
    assert!(letter.contains("original-destination:/queue/a\n"), "{letter}");
    client
        .write(
            "SUBSCRIBE\nid:a\ndestination:/queue/a\nack:client\n\n\0\
             SEND\ndestination:/queue/a\n\nunwanted\0",
        )
        .await;
    let message = client.read_until("unwanted\0").await;
    let id = message.split("message-id:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    client.write(format!("NACK\nsubscription:a\nmessage-id:{id}\nrequeue:false\n\n\0")).await;
    let letter = client.read_until("unwanted\0").await;
    assert!(letter.contains("x-death-reason:rejected\n"), "{letter}");
    assert!(letter.contains("x-delivery-count:1\n"), "{letter}");
}

#[tokio::test]
async fn a_durable_subscription_waits_for_its_client() {
    let server = serve(app()).await;
    let connect = "CONNECT\naccept-version:1.2\nhost:x\nclient-id:c\n\n\0";
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/n\n\
                     activemq.subscriptionName:news\nreceipt:s\n\n\0";
    let mut away = Raw::connect(server.stomp).await;
    away.write(format!("{connect}{subscribe}DISCONNECT\nreceipt:d\n\n\0")).await;
    away.read_until("receipt-id:d").await;
    away.read_to_end().await;
    let mut sender = tcp(&server, "1.2").await;
    sender.write("SEND\ndestination:/topic/n\nreceipt:sent\n\nkept\0").await;
    sender.read_until("receipt-id:sent").await;
    let mut back = Raw::connect(server.stomp).await;
    back.write(format!("{connect}{subscribe}")).await;
    let message = back.read_until("kept\0").await;
    assert!(message.contains("destination:/topic/n\n"), "{message}");
}

#[tokio::test]
async fn a_transaction_that_cannot_be_done_changes_nothing() {
    let server = serve(app()).await;
    let mut client = tcp(&server, "1.2").await;
    client
        .write(
            "BEGIN\ntransaction:t\n\n\0\
             SEND\ndestination:/queue/a\ntransaction:t\n\nm\0\
             SEND\ndestination:/nowhere\ntransaction:t\n\nm\0\
             COMMIT\ntransaction:t\nreceipt:c\n\n\0",
        )
        .await;
    let error = client.read_to_end().await;
    assert!(error.contains("message:unknown destination in a transaction"), "{error}");
    assert!(error.contains("receipt-id:c"), "{error}");
    let mut other = tcp(&server, "1.2").await;
    other
        .write(
            "SUBSCRIBE\nid:a\ndestination:/queue/a\n\n\0\
             SEND\ndestination:/queue/a\n\nfirst\0",
        )
        .await;
    let messages = other.read_until("first\0").await;
    assert_eq!(messages.matches("MESSAGE\n").count(), 1, "{messages}");
}
