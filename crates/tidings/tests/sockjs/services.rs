//! The services that test suites of SockJS expect, and a few more.

use tidings::App;
use tidings::endpoint::{CloseCode, CloseReason, Endpoint, EndpointError, Message, Session};
use tidings::server::{AllowedOrigins, SockJsOptions, StickyCookie, TransportType, Transports};

use super::answer::{Answer, post};
use super::support::{Raw, Running, serve};

/// Answers messages with themselves, and closes when it is told to.
pub struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if message == Message::from("close") {
            session.close(go_away());
        } else {
            session.send(message).await?;
        }
        Ok(())
    }
}

struct Close;

impl Endpoint for Close {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        session.close(go_away());
        Ok(())
    }
}

pub fn go_away() -> CloseReason {
    CloseReason::truncated(CloseCode::new(3000).unwrap(), "Go away!")
}

/// Options of a service for pages of every origin.
pub fn open() -> SockJsOptions {
    SockJsOptions {
        allowed_origins: Some(AllowedOrigins::Any),
        sockjs_url: Some("/sockjs.min.js".to_owned()),
        response_limit: 4096,
        ..SockJsOptions::default()
    }
}

pub async fn services() -> Running {
    let no_websocket = Transports::default()
        .without(TransportType::WebSocket)
        .without(TransportType::RawWebSocket);
    let disabled_websocket = SockJsOptions { transports: no_websocket, ..open() };
    let cookie = SockJsOptions { cookie: Some(StickyCookie::jsessionid()), ..open() };
    let app = App::builder()
        .sockjs_with_options("/echo", open(), || Echo)
        .sockjs_with_options("/disabled_websocket_echo", disabled_websocket, || Echo)
        .sockjs_with_options("/cookie_needed_echo", cookie, || Echo)
        .sockjs_with_options("/close", open(), || Close);
    serve(app.build().unwrap()).await
}

pub async fn echo_with(options: SockJsOptions) -> Running {
    serve(App::builder().sockjs_with_options("/echo", options, || Echo).build().unwrap()).await
}

/// One poll of `/echo`.
pub async fn poll(server: &Running, session: &str) -> Answer {
    post(format!("/echo/000/{session}/xhr")).send(server).await
}

/// Opens a session of `/echo`.
pub async fn open_by_polling(server: &Running, session: &str) {
    poll(server, session).await.expect(200, "o\n");
}

/// Sends to a session of `/echo`.
pub async fn send(server: &Running, session: &str, body: &str) -> Answer {
    post(format!("/echo/000/{session}/xhr_send")).body(body).send(server).await
}

/// A streaming request of `/echo` whose session is open.
pub async fn stream(server: &Running, session: &str) -> Raw {
    let mut stream = Raw::connect(server.http).await;
    stream.write(post(format!("/echo/000/{session}/xhr_streaming")).octets()).await;
    stream.read_until("\r\n\r\n").await;
    stream.read_until("h\n\r\n").await;
    assert_eq!(stream.read_until("\n\r\n").await, "2\r\no\n\r\n");
    stream
}
