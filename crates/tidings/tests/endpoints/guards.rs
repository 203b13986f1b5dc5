//! Who may come to an endpoint, and how many: what its configuration asks for, annotated and programmatic.

use std::net::SocketAddr;

use http::{Extensions, HeaderValue};
use tidings::endpoint::{
    CloseCode, CloseInfo, Configurator, Endpoint, EndpointConfig, Handshake, HandshakeResponse,
    Principal, Reject, Session,
};
use tidings::server::Secure;
use tidings::{App, server_endpoint};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{Barrier, mpsc};
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;

use super::lifecycle::{PING, expect_pong};
use super::support::{PATIENCE, WebSocket, frame, serve};

struct Programmatic;

impl Endpoint for Programmatic {}

/// Serves the application beneath a layer that says something about each request.
async fn behind_a_layer(
    app: App,
    say: impl Fn(&mut Extensions) + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let layer = MapRequestLayer::new(move |mut request: http::Request<_>| {
        say(request.extensions_mut());
        request
    });
    let app = ServiceBuilder::new().layer(layer).service(app);
    let router = axum::Router::new().fallback_service(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

async fn assert_status(addr: SocketAddr, path: &str, headers: &str, status: u16) {
    let answered = match WebSocket::connect(addr, path, headers).await {
        Ok(_) => "101".to_owned(),
        Err(head) => head.split(' ').nth(1).unwrap().to_owned(),
    };
    assert_eq!(answered, status.to_string(), "{path} {headers}");
}

const BOTH: [&str; 2] = ["/annotated", "/programmatic"];

struct Secured;

#[server_endpoint("/annotated", require_tls)]
impl Secured {}

#[tokio::test]
async fn an_endpoint_that_requires_tls_refuses_other_connections() {
    let config = EndpointConfig::new().require_tls();
    let app = App::builder()
        .endpoint(|| Secured)
        .endpoint_at_with("/programmatic", config, |_| Programmatic);
    let app = app.build().unwrap();
    let plain = behind_a_layer(app.clone(), |_| {}).await;
    let tls = behind_a_layer(app, |extensions| {
        extensions.insert(Secure);
    });
    let tls = tls.await;
    for path in BOTH {
        assert_status(plain, path, "", 403).await;
        assert_status(tls, path, "", 101).await;
    }
}

struct Restricted;

#[server_endpoint("/annotated", require_roles = ["admin", "staff"])]
impl Restricted {
    #[on_handshake]
    fn identify(handshake: &Handshake) -> Result<Principal, Reject> {
        match handshake.header("x-late") {
            Some(role) => Ok(Principal::new("late").with_role(role)),
            None => Ok(handshake.principal().cloned().unwrap_or(Principal::new("somebody"))),
        }
    }
}

/// Knows users by the header `x-role`.
struct ByRole;

impl Configurator for ByRole {
    async fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        if let Some(role) = handshake.header("x-role") {
            response.set_principal(Principal::new("ann").with_role(role));
        }
        Ok(())
    }
}

#[tokio::test]
async fn users_without_one_of_the_required_roles_are_403_and_nobody_is_401() {
    let config = EndpointConfig::new().require_roles(["admin", "staff"]);
    let app = App::builder()
        .endpoint(|| Restricted)
        .endpoint_at_with("/programmatic", config.clone(), |_| Programmatic)
        .endpoint_at_with("/by-role", config.configurator(ByRole), |_| Programmatic);
    let app = app.build().unwrap();
    let addr = behind_a_layer(app.clone(), |_| {}).await;
    assert_status(addr, "/programmatic", "", 401).await;
    assert_status(addr, "/annotated", "", 403).await;
    for (role, status) in [("admin", 101), ("staff", 101), ("guest", 403)] {
        assert_status(addr, "/annotated", &format!("X-Late: {role}\r\n"), status).await;
        assert_status(addr, "/by-role", &format!("X-Role: {role}\r\n"), status).await;
        let addr = behind_a_layer(app.clone(), move |extensions| {
            extensions.insert(Principal::new("ann").with_role("other").with_role(role));
        });
        let addr = addr.await;
        for path in BOTH {
            assert_status(addr, path, "", status).await;
        }
    }
    assert_status(addr, "/by-role", "", 401).await;
}

struct Challenging;

#[server_endpoint("/annotated", require_roles = ["admin"], challenge = r#"Basic realm="annotated""#)]
impl Challenging {}

async fn challenge(addr: SocketAddr, path: &str) -> String {
    let head = WebSocket::connect(addr, path, "").await.err().unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 401 "), "{head}");
    let name = "www-authenticate: ";
    let challenges: Vec<_> = head.lines().filter_map(|line| line.strip_prefix(name)).collect();
    challenges.join(" and ")
}

#[tokio::test]
async fn whoever_is_401_is_told_how_to_become_known() {
    let config = EndpointConfig::new().require_roles(["admin"]);
    let basic = HeaderValue::from_static(r#"Basic realm="programmatic""#);
    let app = App::builder()
        .endpoint(|| Challenging)
        .endpoint_at_with("/programmatic", config.clone().challenge(basic), |_| Programmatic)
        .endpoint_at_with("/by-default", config, |_| Programmatic);
    let server = serve(app.build().unwrap()).await;
    for path in BOTH {
        let realm = path.trim_start_matches('/');
        assert_eq!(challenge(server.http, path).await, format!("basic realm=\"{realm}\""));
    }
    assert_eq!(challenge(server.http, "/by-default").await, "bearer");
}

struct Few(mpsc::UnboundedSender<()>);

#[server_endpoint("/annotated", sessions_max = 2)]
impl Few {
    #[on_close]
    fn closed(&self) {
        let _ = self.0.send(());
    }
}

/// The same, programmatic.
struct PlainFew(Few);

impl Endpoint for PlainFew {
    async fn on_close(&mut self, _: &Session, _: &CloseInfo) {
        self.0.closed();
    }
}

#[tokio::test]
async fn an_endpoint_with_as_many_sessions_as_it_may_have_is_503() {
    let (sender, mut closed) = mpsc::unbounded_channel();
    let other = sender.clone();
    let config = EndpointConfig::new().sessions_max(2);
    let app = App::builder().endpoint(move || Few(sender.clone())).endpoint_at_with(
        "/programmatic",
        config,
        move |_| PlainFew(Few(other.clone())),
    );
    let server = serve(app.build().unwrap()).await;
    for path in BOTH {
        let mut first = server.websocket(path).await;
        let mut second = server.websocket(path).await;
        for client in [&mut first, &mut second] {
            // A session counts from its beginning, which may be after the answer.
            client.stream.write_all(&frame(PING, b"")).await.unwrap();
            expect_pong(client, b"").await;
        }
        assert_status(server.http, path, "", 503).await;
        second.close(CloseCode::NORMAL_CLOSURE.into()).await;
        tokio::time::timeout(PATIENCE, closed.recv()).await.unwrap().unwrap();
        drop((server.websocket(path).await, first));
        tokio::time::timeout(PATIENCE, closed.recv()).await.unwrap().unwrap();
        tokio::time::timeout(PATIENCE, closed.recv()).await.unwrap().unwrap();
    }
}

/// Lets nobody in before both are here.
struct Together(Barrier);

impl Configurator for Together {
    async fn handshake(&self, _: &Handshake, _: &mut HandshakeResponse) -> Result<(), Reject> {
        self.0.wait().await;
        Ok(())
    }
}

#[tokio::test]
async fn of_clients_that_come_at_once_those_too_many_are_closed_with_1013() {
    let config = EndpointConfig::new().sessions_max(1).configurator(Together(Barrier::new(2)));
    let app = App::builder().endpoint_at_with("/", config, |_| Programmatic).build().unwrap();
    let server = serve(app).await;
    let (mut first, mut second) = tokio::join!(server.websocket("/"), server.websocket("/"));
    let code = tokio::select! {
        reason = first.closed() => reason.code(),
        reason = second.closed() => reason.code(),
    };
    assert_eq!(code, CloseCode::TRY_AGAIN_LATER);
}
