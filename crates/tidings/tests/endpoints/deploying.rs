//! Endpoints that come and go while the application is in service, and upgrades without any path.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use axum::routing::any;
use http::StatusCode;
use http::header::HeaderValue;
use http_body_util::BodyExt;
use tidings::endpoint::{
    CloseCode, Configurator, Endpoint, EndpointConfig, EndpointError, Handshake, HandshakeResponse,
    Message, PathParams, Reject, ServerEndpoint, Session, State as AppState,
};
use tidings::server::{DirectUpgrade, NoHandshake};
use tidings::{App, server_endpoint};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::support::{Raw, Running, WebSocket, http, serve};

struct Annotated;

#[server_endpoint("/annotated/{room}", subprotocols = ["chat"])]
impl Annotated {
    #[on_message]
    fn said(&self, text: &str, session: &Session, #[path_param] room: u8) -> String {
        describe(text, session, room)
    }
}

/// The same, programmatic.
struct Programmatic;

impl Endpoint for Programmatic {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        let room = session.path_params().parse("room")?;
        Ok(session.send(describe(&text, session, room)).await?)
    }
}

fn describe(text: &str, session: &Session, room: u8) -> String {
    format!("{text} in {room}, {} here", session.peers().len())
}

async fn status(server: &Running, path: &str) -> Option<String> {
    let head = WebSocket::connect(server.http, path, "").await.err()?;
    Some(head.split(' ').nth(1).unwrap().to_owned())
}

#[tokio::test]
async fn an_endpoint_may_come_and_go_while_the_application_is_in_service() {
    let app = App::builder().endpoint_at("/always/{room}", || Programmatic).build().unwrap();
    let server = serve(app.clone()).await;
    let mut always = server.websocket("/always/1").await;
    for (path, template) in
        [("/annotated/7", Annotated::PATH), ("/programmatic/7", "/programmatic/{room}")]
    {
        assert_eq!(status(&server, path).await.as_deref(), Some("404"));
        let deployed = app.deploy(|endpoints| {
            endpoints.endpoint(|| Annotated).endpoint_at("/programmatic/{room}", || Programmatic)
        });
        deployed.unwrap();
        let mut client = server.websocket(path).await;
        client.send("hello").await;
        assert_eq!(client.text().await, "hello in 7, 1 here");

        for template in [Annotated::PATH, "/programmatic/{room}"] {
            assert!(app.undeploy(template));
        }
        assert!(!app.undeploy(template), "it is gone");
        assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
        assert_eq!(status(&server, path).await.as_deref(), Some("404"));
    }
    always.send("still").await;
    assert_eq!(always.text().await, "still in 1, 1 here");
}

#[tokio::test]
async fn what_is_deployed_later_is_found_by_precedence_and_closed_at_the_end() {
    let app = App::builder().endpoint_at("/{room}", || Programmatic).build().unwrap();
    let server = serve(app.clone()).await;
    app.deploy(|endpoints| endpoints.endpoint_at("/7", || Programmatic)).unwrap();
    let mut client = server.websocket("/7").await;
    // This one has no room, and so no answer.
    client.send("hello").await;
    let mut other = server.websocket("/8").await;
    other.send("hello").await;
    assert_eq!(other.text().await, "hello in 8, 1 here");
    let stopped = server.stop();
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
    assert_eq!(other.closed().await.code(), CloseCode::GOING_AWAY);
    drop((client, other));
    stopped.await.unwrap();
}

/// Says who has come, and lets nobody in before the test does.
struct Gate {
    arrived: mpsc::UnboundedSender<()>,
    open: Arc<Semaphore>,
}

impl Configurator for Gate {
    async fn handshake(&self, _: &Handshake, _: &mut HandshakeResponse) -> Result<(), Reject> {
        let _ = self.arrived.send(());
        self.open.acquire().await.unwrap().forget();
        Ok(())
    }
}

#[tokio::test]
async fn a_session_that_comes_in_while_its_endpoint_goes_is_closed_too() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let config = EndpointConfig::new().configurator(Gate { arrived, open: Arc::clone(&open) });
    let app = App::builder().endpoint_at_with("/{room}", config, |_| Programmatic);
    let app = app.build().unwrap();
    let server = serve(app.clone()).await;
    let goes = async {
        arrivals.recv().await.unwrap();
        assert!(app.undeploy("/{room}"));
        open.add_permits(1);
    };
    let (mut client, ()) = tokio::join!(server.websocket("/7"), goes);
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
}

#[tokio::test]
async fn of_endpoints_deployed_together_none_is_if_one_cannot_be() {
    let app =
        App::builder().endpoint_at("/taken/{a}", || Programmatic).sockjs("/echo", || Programmatic);
    let app = app.build().unwrap();
    let server = serve(app.clone()).await;
    for bad in ["/taken/{b}", "/echo", "no-slash"] {
        let deployed = app
            .deploy(|endpoints| endpoints.endpoint(|| Annotated).endpoint_at(bad, || Programmatic));
        assert!(deployed.unwrap_err().to_string().contains(&format!("`{bad}`")), "{bad}");
        assert_eq!(status(&server, "/annotated/7").await.as_deref(), Some("404"), "{bad}");
    }
}

#[tokio::test]
async fn an_annotated_endpoint_that_is_deployed_twice_is_there_once() {
    let app = App::builder().endpoint(|| Annotated).endpoint(|| Annotated).build().unwrap();
    app.deploy(|endpoints| endpoints.endpoint(|| Annotated)).unwrap();
    let server = serve(app.clone()).await;
    let mut client = server.websocket("/annotated/1").await;
    app.deploy(|endpoints| endpoints.endpoint(|| Annotated)).unwrap();
    client.send("hello").await;
    assert_eq!(client.text().await, "hello in 1, 1 here");
    assert!(app.undeploy(Annotated::PATH) && !app.undeploy(Annotated::PATH));
}

#[tokio::test]
async fn a_session_knows_its_application() {
    struct Deployer;
    impl Endpoint for Deployer {
        async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
            let app = session.app().unwrap();
            app.deploy(|endpoints| endpoints.endpoint(|| Annotated)).unwrap();
            Ok(session.send("deployed").await?)
        }
    }
    let app = App::builder().endpoint_at("/", || Deployer).build().unwrap();
    let server = serve(app).await;
    assert_eq!(server.websocket("/").await.text().await, "deployed");
    server.websocket("/annotated/1").await;
    let url = format!("ws://{}/annotated/1", server.http);
    let socket = tidings::client::Client::default().open(&url).await.unwrap();
    assert!(socket.session().app().is_none(), "a client has no application");
}

/// Upgrades what is a handshake, and answers what is none itself, with all that came.
async fn room(
    State(upgrade): State<DirectUpgrade>,
    Path(room): Path<String>,
    request: Request,
) -> axum::response::Response {
    let path_params = PathParams::from_iter([("room", room)]);
    let no_handshake: NoHandshake<_> = match upgrade.upgrade(request, path_params).await {
        Ok(response) => return response.map(axum::body::Body::new),
        Err(no_handshake) => no_handshake,
    };
    let (reason, answer) = (no_handshake.to_string(), no_handshake.to_response());
    let (parts, body) = no_handshake.into_request().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    let answered = format!("{} {} {text}: {reason}", parts.method, parts.uri);
    let mut response = answered.into_response();
    let status = HeaderValue::from(answer.status().as_u16());
    response.headers_mut().insert("x-status", status);
    response
}

/// Both styles beneath routes of axum.
async fn serve_rooms(app: &App) -> SocketAddr {
    let annotated = DirectUpgrade::new(app, Annotated::config(), |_| Annotated).unwrap();
    let programmatic = DirectUpgrade::new(app, EndpointConfig::new(), |_| Programmatic).unwrap();
    let router = axum::Router::new()
        .route("/rooms/a/{room}", any(room).with_state(annotated))
        .route("/rooms/p/{room}", any(room).with_state(programmatic));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

#[tokio::test]
async fn any_request_that_is_a_handshake_can_be_upgraded_with_path_parameters_given() {
    let app = App::builder().build().unwrap();
    let addr = serve_rooms(&app).await;
    for path in ["/rooms/a/7", "/rooms/p/7"] {
        let mut first = WebSocket::connect(addr, path, "").await.unwrap();
        let offer = "Sec-WebSocket-Protocol: chat\r\n";
        let mut second = WebSocket::connect(addr, path, offer).await.unwrap();
        let agreed = second.head.to_lowercase().contains("sec-websocket-protocol: chat");
        assert_eq!(agreed, path.contains("/a/"));
        second.send("hello").await;
        assert_eq!(second.text().await, "hello in 7, 2 here");
        first.send("hi").await;
        assert_eq!(first.text().await, "hi in 7, 2 here");

        let foreign = WebSocket::connect(addr, path, "Origin: http://evil\r\n").await;
        assert!(foreign.err().unwrap().starts_with("HTTP/1.1 403 "), "{path}");
    }
    let unconvertible = WebSocket::connect(addr, "/rooms/a/seven", "").await;
    assert!(unconvertible.err().unwrap().starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_request_that_is_no_handshake_comes_back_as_it_was_and_nothing_is_answered() {
    let addr = serve_rooms(&App::builder().build().unwrap()).await;
    for path in ["/rooms/a/7", "/rooms/p/7"] {
        let post = format!(
            "POST {path}?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"
        );
        let answer = http(addr, &post).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(&format!("\r\n\r\nPOST {path}?x=1 body: ")), "{answer}");
        assert!(answer.contains("x-status: 405\r\n"), "{answer}");
        let get = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = http(addr, &get).await;
        assert!(answer.contains("x-status: 400\r\n"), "{answer}");
        let old = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 8\r\n\r\n"
        );
        let mut raw = Raw::connect(addr).await;
        raw.write(old).await;
        let head = raw.read_until("\r\n\r\n").await;
        assert!(head.contains("x-status: 426\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_upgraded_is_no_handshake() {
    let app = App::builder().build().unwrap();
    let upgrade = DirectUpgrade::new(&app, EndpointConfig::new(), |_| Programmatic).unwrap();
    let request = http::Request::get("/")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body("body")
        .unwrap();
    let no_handshake = upgrade.upgrade(request, PathParams::default()).await.unwrap_err();
    assert_eq!(no_handshake.to_string(), "connection cannot be upgraded");
    assert_eq!(no_handshake.to_response().status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(no_handshake.into_request().into_body(), "body");
}

#[tokio::test]
async fn a_direct_upgrade_has_the_applications_state_and_shutdown() {
    struct Asking;

    #[server_endpoint("/")]
    impl Asking {
        #[on_open]
        fn opened(&self, AppState(name): AppState<&'static str>) -> &'static str {
            name
        }
    }

    let without = App::builder().build().unwrap();
    let elsewhere = App::builder().endpoint_at("/elsewhere", || Asking).build();
    assert!(elsewhere.unwrap_err().to_string().contains("Asking"));
    let missing = DirectUpgrade::new(&without, Asking::config(), |_| Asking).unwrap_err();
    assert!(missing.to_string().contains("&str"), "{missing}");

    let app = App::builder().state("the state").build().unwrap();
    let upgrade = DirectUpgrade::new(&app, Asking::config(), |_| Asking).unwrap();
    let router = axum::Router::new().route("/{room}", any(room)).with_state(upgrade);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut client = WebSocket::connect(addr, "/1", "").await.unwrap();
    assert_eq!(client.text().await, "the state");
    let server = serve(app).await;
    let stopped = server.stop();
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
    drop(client);
    stopped.await.unwrap();
}

/// Lets nobody in.
struct Guarded;

#[server_endpoint("/guarded", subprotocols = ["chat"])]
impl Guarded {
    #[on_handshake]
    fn refuse() -> Result<(), Reject> {
        Err(Reject::new(StatusCode::PAYMENT_REQUIRED))
    }
}

#[tokio::test]
async fn an_annotated_endpoint_keeps_its_guards_wherever_it_is_deployed() {
    let app = App::builder()
        .endpoint(|| Guarded)
        .endpoint_at("/elsewhere", || Guarded)
        .endpoint_at_with("/configured", EndpointConfig::new(), |_| Guarded)
        .endpoint_at("/annotated/{room}/again", || Annotated);
    let server = serve(app.build().unwrap()).await;
    for path in ["/guarded", "/elsewhere", "/configured"] {
        assert_eq!(status(&server, path).await.as_deref(), Some("402"), "{path}");
    }
    assert_eq!(status(&server, "/annotated/x/again").await.as_deref(), Some("400"));
    let offer = "Sec-WebSocket-Protocol: chat\r\n";
    let client = WebSocket::connect(server.http, "/annotated/7/again", offer).await.unwrap();
    assert!(client.head.to_lowercase().contains("sec-websocket-protocol: chat\r\n"));
}
