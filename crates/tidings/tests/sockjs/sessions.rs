//! What a session outlives, and what it does not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings::endpoint::{
    CloseCode, CloseInfo, Configurator, Endpoint, EndpointConfig, EndpointError, Handshake,
    HandshakeResponse, Message, Principal, Reject, Session, User,
};
use tidings::messaging::{AccessDenied, Login};
use tidings::server::{Body, RemoteAddr, SessionBinding, SockJsOptions};
use tidings::{App, server_endpoint};
use tokio::sync::{Semaphore, mpsc};
use tower::{Service, ServiceExt};

use super::answer::{get, post};
use super::services::{Echo, echo_with, open_by_polling, poll, send, services, stream};
use super::support::{PATIENCE, Raw, Running, WebSocket, serve};

#[tokio::test]
async fn a_second_receiver_is_told_2010_and_the_first_goes_on() {
    let server = services().await;
    let mut first = stream(&server, "s").await;
    let contended = r#"c[2010,"Another connection still open"]"#;
    poll(&server, "s").await.expect(200, &format!("{contended}\n"));
    let answer = get("/echo/0/s/eventsource").send(&server).await;
    answer.expect(200, &format!("\r\ndata: {contended}\r\n\r\n"));
    send(&server, "s", r#"["still here"]"#).await;
    assert_eq!(first.read_until("\n\r\n").await, "10\r\na[\"still here\"]\n\r\n");
}

/// The connection of the receiver that session `s` has: that of the other is told so.
async fn attached_client(server: &Running, transport: &str) -> Raw {
    let request = post(format!("/echo/0/s/{transport}")).octets();
    let (mut one, mut other) = (Raw::connect(server.http).await, Raw::connect(server.http).await);
    one.write(&request).await;
    other.write(&request).await;
    tokio::select! {
        _ = one.read_until("c[2010") => other,
        _ = other.read_until("c[2010") => one,
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_session_and_may_come_back_at_once() {
    for transport in ["xhr", "xhr_streaming"] {
        let server = services().await;
        open_by_polling(&server, "s").await;
        drop(attached_client(&server, transport).await);
        let again = poll(&server, "s").await.body();
        assert!(again == "o\n" || again.starts_with("c[1002,"), "{transport}: {again:?}");
        if again != "o\n" {
            assert_eq!(send(&server, "s", "[]").await.status, 404, "{transport}");
        }
    }
}

/// Sends until that is answered 404: before, it is 204.
async fn until_forgotten(server: &Running) {
    let sending = async { while send(server, "s", "[]").await.status != 404 {} };
    tokio::time::timeout(PATIENCE, sending).await.expect("what is sent to the session is not 404");
}

#[tokio::test]
async fn what_was_sent_between_two_polls_waits_for_the_second() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    for message in ["a", "b", "c"] {
        send(&server, "s", &format!("[\"{message}\"]")).await.expect(204, "");
    }
    let mut got = String::new();
    while !got.contains("\"c\"") {
        got += &poll(&server, "s").await.body();
    }
    assert_eq!(got.replace("\"]\na[\"", "\",\""), "a[\"a\",\"b\",\"c\"]\n");
}

fn impatient() -> SockJsOptions {
    SockJsOptions {
        heartbeat_delay: Duration::from_millis(10),
        disconnect_delay: Duration::from_millis(10),
        ..SockJsOptions::default()
    }
}

#[tokio::test]
async fn heartbeats_keep_coming_while_nothing_else_does() {
    let server = echo_with(impatient()).await;
    let mut stream = stream(&server, "s").await;
    stream.read_until("\r\nh\n").await;
    stream.read_until("\r\nh\n").await;

    let mut websocket = server.websocket("/echo/000/s/websocket").await;
    assert_eq!(websocket.text().await, "o");
    assert_eq!(websocket.text().await, "h");
    assert_eq!(websocket.text().await, "h");
}

#[tokio::test]
async fn a_session_that_nobody_asks_for_is_forgotten() {
    let server = echo_with(impatient()).await;
    open_by_polling(&server, "s").await;
    until_forgotten(&server).await;
    poll(&server, "s").await.expect(200, "o\n");
}

#[tokio::test]
async fn what_arrives_for_a_session_that_was_forgotten_meanwhile_is_404() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let mut slow = Raw::connect(server.http).await;
    let sending = post("/echo/0/s/xhr_send").header("Expect", "100-continue").body("[\"late\"]");
    let sending = sending.octets();
    let (head, body) = sending.split_at(sending.len() - "[\"late\"]".len());
    slow.write(head).await;
    // The body is asked for, so the session was found.
    slow.read_until("HTTP/1.1 100 Continue\r\n\r\n").await;
    drop(attached_client(&server, "xhr").await);
    until_forgotten(&server).await;
    slow.write(body).await;
    assert!(slow.read_until("\r\n").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn shutdown_closes_a_streaming_session_with_1001() {
    let server = services().await;
    let mut stream = stream(&server, "s").await;
    let stopped = server.stop();
    assert!(stream.read_to_end().await.contains("c[1001,"));
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_factory_that_panics_ends_its_session() {
    let app = App::builder().sockjs("/echo", || -> Echo { panic!("not today") });
    let server = serve(app.build().unwrap()).await;
    open_by_polling(&server, "s").await;
    poll(&server, "s").await.expect(200, "c[1011,\"internal error\"]\n");
    let mut websocket = server.websocket("/echo/websocket").await;
    assert_eq!(websocket.closed().await.code().as_u16(), 1011);
}

/// Tells what it hears, and closes when it hears `close`.
struct Recorder(mpsc::UnboundedSender<Message>);

impl Endpoint for Recorder {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        if message == Message::from("close") {
            session.close(CloseCode::NORMAL_CLOSURE.into());
        }
        let _ = self.0.send(message);
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, _: &CloseInfo) {
        let _ = self.0.send("closed".into());
    }
}

#[tokio::test]
async fn nothing_is_delivered_to_an_endpoint_that_has_closed_its_session() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let app = App::builder().sockjs("/echo", move || Recorder(sender.clone())).build().unwrap();
    let server = serve(app).await;
    let body = r#"["before","close","after"]"#;

    let mut websocket = server.websocket("/echo/000/s/websocket").await;
    websocket.send(body).await;
    websocket.closed().await;
    open_by_polling(&server, "s").await;
    send(&server, "s", body).await;
    for _ in 0..2 {
        for expected in ["before", "close", "closed"] {
            assert_eq!(heard.recv().await.unwrap(), Message::from(expected));
        }
    }
    // A client that has not heard of the end may go on sending into the void.
    assert_eq!(send(&server, "s", r#"["late"]"#).await.status, 204);
}

/// A request to the application itself, from somebody at some address.
async fn ask(app: &App, path: &str, body: &str, addr: &str, user: Option<&str>) -> (u16, String) {
    let mut request =
        http::Request::post(path).header("host", "here").body(body.to_owned()).unwrap();
    request.extensions_mut().insert(RemoteAddr(addr.parse::<SocketAddr>().unwrap()));
    if let Some(user) = user {
        request.extensions_mut().insert(Principal::new(user));
    }
    answer(app, request).await
}

async fn answer(app: &App, request: http::Request<String>) -> (u16, String) {
    use http_body_util::BodyExt;

    let mut app = app.clone();
    let service = ServiceExt::<http::Request<String>>::ready(&mut app).await.unwrap();
    let response: http::Response<Body> = service.call(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_session_belongs_to_whom_the_options_say() {
    use SessionBinding::{Automatic, Principal, PrincipalOrAddress, Unbound};

    let (here, there) = ("10.0.0.1:1", "10.0.0.2:1");
    let (ann, bob) = (Some("ann"), Some("bob"));
    let (private, renewed, elsewhere) =
        ("[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::1]:1");
    for (binding, opener, other, is_allowed) in [
        (Principal, (here, ann), (there, ann), true),
        (Principal, (here, ann), (here, bob), false),
        (Principal, (here, ann), (here, None), false),
        (Principal, (here, None), (here, ann), false),
        (Principal, (here, None), (there, None), true),
        (Automatic, (here, None), (there, None), true),
        (Automatic, (here, ann), (here, bob), false),
        (PrincipalOrAddress, (here, None), (there, None), false),
        (PrincipalOrAddress, (here, None), ("10.0.0.1:2", None), true),
        (PrincipalOrAddress, (here, ann), (there, ann), true),
        (PrincipalOrAddress, (here, None), ("[::ffff:10.0.0.1]:1", None), true),
        (PrincipalOrAddress, (private, None), (renewed, None), true),
        (PrincipalOrAddress, (private, None), (elsewhere, None), false),
        (PrincipalOrAddress, (private, None), (here, None), false),
        (Unbound, (here, ann), (there, bob), true),
    ] {
        let options = SockJsOptions { session_binding: binding, ..SockJsOptions::default() };
        let app = App::builder().sockjs_with_options("/echo", options, || Echo).build().unwrap();
        let seen = (binding, opener, other);
        let opened = ask(&app, "/echo/0/s/xhr", "", opener.0, opener.1).await;
        assert_eq!(opened, (200, "o\n".to_owned()), "{seen:?}");
        let (sent, _) = ask(&app, "/echo/0/s/xhr_send", r#"["a"]"#, other.0, other.1).await;
        assert_eq!(sent, if is_allowed { 204 } else { 404 }, "{seen:?}");
        if is_allowed {
            let polled = ask(&app, "/echo/0/s/xhr", "", other.0, other.1).await;
            assert_eq!(polled, (200, "a[\"a\"]\n".to_owned()), "{seen:?}");
        } else {
            let (polled, _) = ask(&app, "/echo/0/s/xhr", "", other.0, other.1).await;
            assert_eq!(polled, 404, "{seen:?}");
        }
    }
}

#[tokio::test]
async fn basic_authentication_says_whose_a_session_is() {
    let app = App::builder().sockjs("/echo", || Echo).build().unwrap();
    let ask = async |path: &str, body: &str, authorization: Option<&str>| {
        let mut request = http::Request::post(path).header("host", "here");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        answer(&app, request.body(body.to_owned()).unwrap()).await.0
    };
    let ann = Some("Basic YW5uOnNlY3JldA==");
    assert_eq!(ask("/echo/0/s/xhr", "", ann).await, 200);
    for other in [None, Some("Basic Ym9iOnNlY3JldA=="), Some("Bearer YW5uOnNlY3JldA==")] {
        assert_eq!(ask("/echo/0/s/xhr_send", r#"["a"]"#, other).await, 404, "{other:?}");
    }
    assert_eq!(ask("/echo/0/s/xhr_send", r#"["a"]"#, ann).await, 204);
    // Tokens are renewed while a session goes on.
    assert_eq!(ask("/echo/0/t/xhr", "", Some("Bearer 1")).await, 200);
    assert_eq!(ask("/echo/0/t/xhr_send", r#"["a"]"#, Some("Bearer 2")).await, 204);
}

#[tokio::test]
async fn row_14_a_login_of_stomp_is_not_that_of_whoever_knows_the_session_id() {
    let anybody = |login: Login| async move {
        login.login.map(Principal::new).ok_or_else(|| AccessDenied::new("Log in."))
    };
    let (here, there) = ("10.0.0.1:1", "10.0.0.2:1");
    let bound = |session_binding| {
        let options = SockJsOptions { session_binding, ..SockJsOptions::default() };
        App::builder().stomp_with_options("/stomp", options)
    };
    for (app, is_allowed) in [
        (App::builder().stomp("/stomp"), true),
        (App::builder().stomp("/stomp").authenticator(anybody), false),
        (bound(SessionBinding::Unbound).authenticator(anybody), true),
        (bound(SessionBinding::Principal).authenticator(anybody), true),
    ] {
        let app = app.build().unwrap();
        let connect = r#"["CONNECT\nlogin:ann\n\n\u0000"]"#;
        assert_eq!(ask(&app, "/stomp/0/s/xhr", "", here, None).await.1, "o\n");
        assert_eq!(ask(&app, "/stomp/0/s/xhr_send", connect, here, None).await.0, 204);
        let forged = r#"["SEND\ndestination:/topic/a\n\nnot of ann\u0000"]"#;
        let (status, _) = ask(&app, "/stomp/0/s/xhr_send", forged, there, None).await;
        assert_eq!(status, if is_allowed { 204 } else { 404 });
        let (status, _) = ask(&app, "/stomp/0/s/xhr", "", there, None).await;
        assert_eq!(status, if is_allowed { 200 } else { 404 });
        if !is_allowed {
            let (_, frames) = ask(&app, "/stomp/0/s/xhr", "", here, None).await;
            assert!(frames.contains("user-name:ann"), "{frames}");
        }
    }
}

#[tokio::test]
async fn a_stomp_session_begins_with_what_a_stranger_may_send() {
    let app = App::builder().stomp("/stomp").build().unwrap();
    let open = http::Request::post("/stomp/0/s/xhr_streaming").header("host", "here");
    let mut service = app.clone();
    // Nobody has waited, so nothing of the session has run yet but this request.
    let response: http::Response<Body> =
        service.call(open.body(String::new()).unwrap()).await.unwrap();
    let long = format!("[\"{}\"]", "x".repeat(100_000));
    let (status, text) = ask(&app, "/stomp/0/s/xhr_send", &long, "10.0.0.1:1", None).await;
    assert_eq!((status, &*text), (413, "The body is larger than 49156 octets.\n"));
    drop(response);
}

/// Lets nobody in who does not say who he is.
struct Gate;

impl Configurator for Gate {
    async fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        let user = handshake.query().and_then(|query| query.strip_prefix("user="));
        let user = user.ok_or_else(|| Reject::new(http::StatusCode::UNAUTHORIZED))?;
        response.headers_mut().insert("x-welcome", "yes".parse().unwrap());
        response.set_principal(Principal::new(user).with_role("guest"));
        response.user_properties().insert(7_u8);
        Ok(())
    }
}

/// Tells who it speaks with.
struct Who;

impl Endpoint for Who {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let principal = session.principal();
        let name = principal.as_ref().map_or("", Principal::name);
        let property = session.user_properties().get::<u8>();
        Ok(session.send(format!("{name} {property:?}")).await?)
    }
}

#[tokio::test]
async fn a_configurator_is_asked_once_for_each_session_whatever_its_transport() {
    let endpoint = EndpointConfig::new().configurator(Gate).require_roles(["guest"]);
    let options = SockJsOptions { endpoint: Some(endpoint), ..SockJsOptions::default() };
    let app = App::builder().sockjs_with_options("/who", options, || Who).build().unwrap();
    let server = serve(app).await;
    let refused = post("/who/0/s/xhr").send(&server).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    refused.expect_no_cache();
    let opened = post("/who/0/s/xhr?user=ann").send(&server).await;
    opened.expect(200, "o\n");
    assert_eq!(opened.header("x-welcome"), Some("yes"));
    let polled = post("/who/0/s/xhr").send(&server).await;
    polled.expect(200, "a[\"ann Some(7)\"]\n");
    assert_eq!(polled.header("x-welcome"), None);
    let mut client = server.websocket("/who/0/s/websocket?user=bob").await;
    assert_eq!(client.text().await, "o");
    assert_eq!(client.text().await, r#"a["bob Some(7)"]"#);
}

#[tokio::test]
async fn there_are_no_more_sessions_than_the_configuration_says() {
    let endpoint = EndpointConfig::new().sessions_max(1);
    let options = SockJsOptions { endpoint: Some(endpoint), ..SockJsOptions::default() };
    let server = echo_with(options).await;
    let _first = stream(&server, "s").await;
    assert_eq!(poll(&server, "t").await.status, 503);
}

/// Tells that it has a message, and is done with it once it may.
struct Busy(mpsc::UnboundedSender<&'static str>, Arc<Semaphore>);

impl Endpoint for Busy {
    async fn on_message(&mut self, _: &Session, _: Message) -> Result<(), EndpointError> {
        let Self(told, done) = self;
        told.send("begun").unwrap();
        done.acquire().await.unwrap().forget();
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, _: &CloseInfo) {
        let _ = self.0.send("closed");
    }
}

#[tokio::test]
async fn a_session_whose_client_has_gone_counts_until_its_handler_is_done_and_no_longer() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let done = Arc::new(Semaphore::new(0));
    let endpoint = EndpointConfig::new().sessions_max(1);
    let options = SockJsOptions { endpoint: Some(endpoint), ..SockJsOptions::default() };
    let app = App::builder().sockjs_with_options("/echo", options, {
        let done = Arc::clone(&done);
        move || Busy(sender.clone(), Arc::clone(&done))
    });
    let server = serve(app.build().unwrap()).await;
    open_by_polling(&server, "s").await;
    send(&server, "s", r#"["m"]"#).await.expect(204, "");
    assert_eq!(told.recv().await, Some("begun"));
    drop(attached_client(&server, "xhr").await);
    until_forgotten(&server).await;
    for session in ["s", "t"] {
        assert_eq!(poll(&server, session).await.status, 503, "{session}");
    }
    done.add_permits(1);
    assert_eq!(told.recv().await, Some("closed"));
    poll(&server, "t").await.expect(200, "o\n");
}

/// Lets in who says a name, at whatever door.
struct Guarded;

#[server_endpoint("/guarded")]
impl Guarded {
    #[on_handshake]
    fn admit(handshake: &Handshake) -> Result<Name, Reject> {
        let name = handshake.query().ok_or_else(|| Reject::new(http::StatusCode::FORBIDDEN))?;
        Ok(Name(name.to_owned()))
    }

    #[on_open]
    fn opened(&self, User(Name(name)): User<Name>) -> String {
        name
    }
}

#[derive(Clone)]
struct Name(String);

#[tokio::test]
async fn an_annotated_endpoint_is_the_same_over_sockjs() {
    let app = App::builder().endpoint(|| Guarded).sockjs("/sockjs", || Guarded).build().unwrap();
    let server = serve(app).await;
    assert_eq!(post("/sockjs/0/s/xhr").send(&server).await.status, 403);
    assert!(WebSocket::connect(server.http, "/sockjs/0/s/websocket", "").await.is_err());
    assert!(WebSocket::connect(server.http, "/guarded", "").await.is_err());
    assert_eq!(server.websocket("/guarded?ann").await.text().await, "ann");
    post("/sockjs/0/s/xhr?ann").send(&server).await.expect(200, "o\n");
    post("/sockjs/0/s/xhr").send(&server).await.expect(200, "a[\"ann\"]\n");
}
