//! The services that test suites and clients of SockJS expect of a server, open to pages of every origin.
//!
//! `cargo run --example sockjs_conformance -- --listen 127.0.0.1:8081`

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tidings::App;
use tidings::endpoint::{CloseCode, CloseReason, Endpoint, EndpointError, Message, Session};
use tidings::server::{
    AllowedOrigins, Body, Server, SockJsOptions, StickyCookie, TransportType, Transports,
};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Answers every message with itself.
struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

/// Closes every session at once.
struct Close;

impl Endpoint for Close {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let code = CloseCode::new(3000).map_err(|error| EndpointError::Handler(error.into()))?;
        session.close(CloseReason::truncated(code, "Go away!"));
        Ok(())
    }
}

/// Sends a message each second.
struct Ticker;

impl Endpoint for Ticker {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let session = session.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if session.send("tick!").await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// Answers a number below 19 with as many letters as two to its power, anything else with two.
struct Amplify;

impl Endpoint for Amplify {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        let number = text.trim().parse().ok().filter(|number| (1..19).contains(number));
        Ok(session.send("x".repeat(1 << number.unwrap_or(1_u32))).await?)
    }
}

/// Sends every message to all its sessions, the sender's included.
struct Broadcast;

impl Endpoint for Broadcast {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        session.peers().broadcast(message);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = listen_argument()?;
    let open = SockJsOptions {
        allowed_origins: Some(AllowedOrigins::Any),
        sockjs_url: Some("/sockjs.min.js".to_owned()),
        ..SockJsOptions::default()
    };
    let short_responses = SockJsOptions { response_limit: 4096, ..open.clone() };
    let no_websocket = Transports::default()
        .without(TransportType::WebSocket)
        .without(TransportType::RawWebSocket);
    let disabled_websocket = SockJsOptions { transports: no_websocket, ..short_responses.clone() };
    let cookie =
        SockJsOptions { cookie: Some(StickyCookie::jsessionid()), ..short_responses.clone() };
    let second = Duration::from_secs(1);
    let heartbeat = SockJsOptions { heartbeat_delay: second, ..open.clone() };
    let app = App::builder()
        .sockjs_with_options("/echo", short_responses, || Echo)
        .sockjs_with_options("/disabled_websocket_echo", disabled_websocket, || Echo)
        .sockjs_with_options("/cookie_needed_echo", cookie, || Echo)
        .sockjs_with_options("/close", open.clone(), || Close)
        .sockjs_with_options("/ticker", open.clone(), || Ticker)
        .sockjs_with_options("/amplify", open.clone(), || Amplify)
        .sockjs_with_options("/broadcast", open, || Broadcast)
        .sockjs_with_options("/heartbeat", heartbeat, || Echo)
        .build()?;
    let server = Server::new(app).fallback(tower::service_fn(script)).listen(&listen).await?;
    for address in server.http_addrs() {
        println!("listening on {address}");
    }
    Ok(server.run().await?)
}

fn listen_argument() -> Result<String, String> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (None, _) => Ok("127.0.0.1:8081".to_owned()),
        (Some("--listen"), Some(address)) => Ok(address),
        _ => Err("wants nothing, or --listen ADDR".to_owned()),
    }
}

/// The client that the pages in iframes load: the one of the tests, whose version theirs has to be.
async fn script(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    const SCRIPT: &[u8] =
        include_bytes!("../crates/cli/site/vendor/sockjs-client-1.6.1/sockjs.min.js");

    if request.uri().path() == "/sockjs.min.js" {
        let mut response = Response::new(Body::from(SCRIPT));
        let javascript = HeaderValue::from_static("text/javascript; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, javascript);
        return Ok(response);
    }
    let mut response = Response::new(Body::from("Nothing is here.\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}
