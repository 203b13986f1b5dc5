//! Annotated and programmatic endpoints: both styles do the same.

use std::time::Duration;

use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Json, Message,
    SendError, Session,
};
use tidings::{App, server_endpoint};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::support::{PATIENCE, WebSocket, http, serve};

#[derive(Default)]
struct Annotated {
    messages: u32,
}

#[server_endpoint("/annotated/{user_id}", subprotocols = ["chat.v2", "chat.v1"])]
impl Annotated {
    #[on_open]
    async fn opened(&mut self, #[path_param] user_id: u64, session: &Session) -> String {
        format!("welcome {user_id} of {}", session.peers().len())
    }

    #[on_message]
    async fn text(&mut self, session: Session, text: &str) -> Result<Option<String>, BoxError> {
        self.messages += 1;
        act(&session, text, self.messages)
    }

    #[on_message]
    fn binary(&mut self, octets: Vec<u8>) -> Vec<u8> {
        octets
    }

    #[on_error]
    async fn failed(&mut self, error: EndpointError, session: &Session) -> Flow {
        tell(session, &error).await
    }
}

#[derive(Default)]
struct Programmatic {
    messages: u32,
}

impl Endpoint for Programmatic {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let user_id: u64 = session.path_params().parse("user_id")?;
        Ok(session.send(format!("welcome {user_id} of {}", session.peers().len())).await?)
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let reply = match message {
            Message::Text(text) => {
                self.messages += 1;
                let reply = act(session, &text, self.messages).map_err(EndpointError::Handler)?;
                reply.map(Message::from)
            }
            binary => Some(binary),
        };
        if let Some(reply) = reply {
            session.send(reply).await?;
        }
        Ok(())
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        tell(session, &error).await
    }
}

fn act(session: &Session, text: &str, messages: u32) -> Result<Option<String>, BoxError> {
    match text {
        "fail" => Err("as asked".into()),
        "panic" => panic!("as asked"),
        "close" => {
            session.close(CloseReason::new(CloseCode::new(4001)?, "bye")?);
            Ok(None)
        }
        "all" => {
            session.peers().broadcast("to all");
            Ok(None)
        }
        text => Ok(Some(format!("{messages}: {text}"))),
    }
}

async fn tell(session: &Session, error: &EndpointError) -> Flow {
    let _ = session.send(format!("error: {error}")).await;
    Flow::Continue
}

fn app() -> App {
    App::builder()
        .endpoint(Annotated::default)
        .endpoint_at("/programmatic/{user_id}", Programmatic::default)
        .build()
        .unwrap()
}

const BOTH: [&str; 2] = ["/annotated", "/programmatic"];

#[tokio::test]
async fn both_styles_welcome_count_and_echo() {
    let server = serve(app()).await;
    for path in BOTH {
        let mut first = server.websocket(&format!("{path}/8")).await;
        assert_eq!(first.text().await, "welcome 8 of 1");
        let mut second = server.websocket(&format!("{path}/9?x=1")).await;
        assert_eq!(second.text().await, "welcome 9 of 2");

        first.send("a").await;
        first.send("b").await;
        second.send("c").await;
        assert_eq!(first.text().await, "1: a");
        assert_eq!(first.text().await, "2: b");
        assert_eq!(second.text().await, "1: c", "each connection has an endpoint of its own");
        first.send(vec![0, 255]).await;
        assert_eq!(first.message().await, Message::from(vec![0, 255]));

        first.send("all").await;
        assert_eq!(first.text().await, "to all");
        assert_eq!(second.text().await, "to all");
    }
}

#[tokio::test]
async fn a_failing_handler_is_told_to_on_error_and_the_session_goes_on() {
    let server = serve(app()).await;
    for path in BOTH {
        let mut client = server.websocket(&format!("{path}/8")).await;
        client.text().await;
        client.send("fail").await;
        assert_eq!(client.text().await, "error: as asked");
        client.send("x").await;
        assert_eq!(client.text().await, "2: x");
    }
}

#[tokio::test]
async fn a_panic_closes_its_session_with_1011_and_no_other() {
    let server = serve(app()).await;
    for path in BOTH {
        let mut other = server.websocket(&format!("{path}/7")).await;
        other.text().await;
        let mut client = server.websocket(&format!("{path}/8")).await;
        client.text().await;
        client.send("panic").await;
        assert_eq!(client.text().await, "error: handler panicked: as asked");
        assert_eq!(client.closed().await.code(), CloseCode::INTERNAL_ERROR);
        other.send("x").await;
        assert_eq!(other.text().await, "1: x");
    }
}

#[tokio::test]
async fn the_application_closes_with_its_code_and_reason() {
    let server = serve(app()).await;
    for path in BOTH {
        let mut client = server.websocket(&format!("{path}/8")).await;
        client.text().await;
        client.send("close").await;
        let reason = client.closed().await;
        assert_eq!((reason.code().as_u16(), reason.reason()), (4001, "bye"));
    }
}

#[tokio::test]
async fn a_path_parameter_of_the_wrong_type_is_400_before_the_upgrade() {
    let server = serve(app()).await;
    let answer = WebSocket::connect(server.http, "/annotated/eight", "").await.err().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = WebSocket::connect(server.http, "/annotated", "").await.err().unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn the_first_subprotocol_of_the_client_that_the_endpoint_speaks_is_chosen() {
    let server = serve(app()).await;
    let offer = "Sec-WebSocket-Protocol: other, chat.v1, chat.v2\r\n";
    let client = WebSocket::connect(server.http, "/annotated/1", offer).await.unwrap();
    assert!(client.head.to_lowercase().contains("sec-websocket-protocol: chat.v1\r\n"));
    let client = WebSocket::connect(server.http, "/annotated/1", "").await.unwrap();
    assert!(!client.head.to_lowercase().contains("sec-websocket-protocol"));
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_told_why() {
    let server = serve(app()).await;
    let get = "GET /annotated/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(http(server.http, get).await.starts_with("HTTP/1.1 400 "));
    let old = "GET /annotated/1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\n\
               Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n";
    let answer = http(server.http, old).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 426 "), "{answer}");
    assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
}

/// Tells what happens to it, through a channel.
struct Witness(mpsc::UnboundedSender<String>);

impl Endpoint for Witness {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if message == Message::from("slow") {
            // Longer than any test waits.
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if message == Message::from("close twice") {
            session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
            session.close(CloseReason::from_code(CloseCode::POLICY_VIOLATION));
            let sent = session.send("too late").await;
            let closed = matches!(&sent, Err(SendError::Closed(reason))
                if reason.code() == CloseCode::NORMAL_CLOSURE);
            let _ = self.0.send(format!("send after close refused: {closed}"));
            let _ = self.0.send(format!("open: {}", session.is_open()));
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let reason = &info.reason;
        let _ = self.0.send(format!("closed {} {}", reason.code().as_u16(), reason.reason()));
    }
}

fn witness() -> (App, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let app = App::builder().endpoint_at("/", move || Witness(sender.clone())).build().unwrap();
    (app, receiver)
}

#[tokio::test]
async fn on_close_is_called_once_with_the_reason_of_whoever_closed() {
    let (app, mut told) = witness();
    let server = serve(app).await;

    let mut client = server.websocket("/").await;
    let code = CloseCode::new(4321).unwrap();
    client.close(CloseReason::new(code, "enough").unwrap()).await;
    assert_eq!(told.recv().await.unwrap(), "closed 4321 enough");

    let mut client = server.websocket("/").await;
    client.close(CloseReason::from_code(CloseCode::NO_STATUS_RECEIVED)).await;
    assert_eq!(told.recv().await.unwrap(), "closed 1005 ");

    drop(server.websocket("/").await);
    assert_eq!(told.recv().await.unwrap(), "closed 1006 ");
    assert!(told.is_empty());
}

#[tokio::test]
async fn after_close_sends_fail_with_the_first_reason() {
    let (app, mut told) = witness();
    let server = serve(app).await;
    let mut client = server.websocket("/").await;
    client.send("close twice").await;
    assert_eq!(client.closed().await.code(), CloseCode::NORMAL_CLOSURE);
    assert_eq!(told.recv().await.unwrap(), "send after close refused: true");
    assert_eq!(told.recv().await.unwrap(), "open: false");
    assert_eq!(told.recv().await.unwrap(), "closed 1000 ");
}

#[tokio::test]
async fn pings_are_answered_while_a_handler_awaits() {
    let (app, _told) = witness();
    let server = serve(app).await;
    let mut client = server.websocket("/").await;
    client.send("slow").await;
    client.stream.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let event = client.event().await;
    assert!(matches!(&event, tidings_websocket::Event::Pong(payload) if &payload[..] == b"hi"));
}

/// Takes its time, and answers.
struct Unhurried;

impl Endpoint for Unhurried {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Ok(session.send(message).await?)
    }
}

#[tokio::test]
async fn a_close_frame_read_ahead_waits_until_the_messages_before_it_are_answered() {
    let app = App::builder().endpoint_at("/", || Unhurried).build().unwrap();
    let server = serve(app).await;
    let mut client = server.websocket("/").await;
    let message = |octet| [0x82, 0x81, 0, 0, 0, 0, octet];
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    let octets = [&message(1)[..], &message(2), &close].concat();
    client.stream.write_all(&octets).await.unwrap();
    assert_eq!(client.message().await, Message::from(vec![1]));
    assert_eq!(client.message().await, Message::from(vec![2]));
    assert_eq!(client.closed().await.code(), CloseCode::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_ping_is_answered_before_the_message_that_came_with_it() {
    let server = serve(app()).await;
    let mut client = server.websocket("/annotated/1").await;
    client.text().await;
    let ping_and_message = [0x89, 0x80, 0, 0, 0, 0, 0x82, 0x81, 0, 0, 0, 0, 7];
    client.stream.write_all(&ping_and_message).await.unwrap();
    assert!(matches!(client.event().await, tidings_websocket::Event::Pong(_)));
    assert_eq!(client.message().await, Message::from(vec![7]));
}

#[tokio::test]
async fn shutdown_tells_every_session_1001_and_does_not_wait_for_the_deaf() {
    let server = serve(app()).await;
    let mut polite = server.websocket("/annotated/1").await;
    let _deaf = server.websocket("/annotated/2").await;
    let stopped = server.stop();
    assert_eq!(polite.closed().await.code(), CloseCode::GOING_AWAY);
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_over_the_limit_is_1009() {
    let server = serve(app()).await;
    let mut client = server.websocket("/annotated/1").await;
    client.text().await;
    let header = [&[0x82, 0xff][..], &(1024_u64 * 1024 + 1).to_be_bytes(), &[0; 4]].concat();
    client.stream.write_all(&header).await.unwrap();
    assert_eq!(client.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Point {
    x: i32,
}

struct Shifts;

#[server_endpoint("/shift")]
impl Shifts {
    #[on_message]
    async fn shift(&mut self, Json(point): Json<Point>) -> Json<Point> {
        Json(Point { x: point.x + 1 })
    }
}

#[tokio::test]
async fn json_goes_in_and_out_and_what_is_none_costs_only_an_error() {
    let app = App::builder().endpoint(|| Shifts).build().unwrap();
    let server = serve(app).await;
    let mut client = server.websocket("/shift").await;
    client.send("no json").await;
    client.send(r#"{"x":1}"#).await;
    assert_eq!(client.text().await, r#"{"x":2}"#);
}

#[test]
fn paths_taken_twice_or_malformed_are_all_told() {
    let error = App::builder()
        .endpoint_at("/a/{b}", Programmatic::default)
        .endpoint_at("/a/{c}", Programmatic::default)
        .endpoint_at("no-slash", Programmatic::default)
        .build()
        .unwrap_err()
        .to_string();
    let conflict =
        "`/a/{b}` (endpoints::styles::Programmatic) and `/a/{c}` (endpoints::styles::Programmatic)";
    assert!(error.contains(conflict), "{error}");
    assert!(error.contains("`no-slash`"), "{error}");
}
