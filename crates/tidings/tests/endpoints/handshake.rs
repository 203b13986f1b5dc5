//! What an opening handshake tells: what is refused, and what the session knows afterwards. Annotated and
//! programmatic endpoints are asked the same questions.

use std::net::SocketAddr;

use http::Extensions;
use tidings::App;
use tidings::client::Client;
use tidings::endpoint::{
    Endpoint, EndpointConfig, EndpointError, Message, Principal, ServerEndpoint, Session,
    SubprotocolPolicy,
};
use tidings::server::{Secure, Server};
use tidings::server_endpoint;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::util::MapRequestLayer;

use super::support::{Raw, Running, WebSocket, serve};

/// Tells what its session knows when it is asked.
pub struct Facts;

#[server_endpoint("/facts/{room}", subprotocols = ["b", "a"])]
impl Facts {
    #[on_message]
    fn asked(&self, question: &str, session: &Session) -> String {
        answer(question, session)
    }
}

/// The same, programmatic.
struct PlainFacts;

impl Endpoint for PlainFacts {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(question) = message else { return Ok(()) };
        Ok(session.send(answer(&question, session)).await?)
    }
}

fn answer(question: &str, session: &Session) -> String {
    let handshake = session.handshake();
    match question.split_once(' ').unwrap_or((question, "")) {
        ("uri", _) => session.uri().unwrap().to_string(),
        ("handshake-uri", _) => handshake.full_uri().unwrap().to_string(),
        ("query", _) => session.query().unwrap_or("none").to_owned(),
        ("parameters", _) => {
            let parameters = handshake.parameters();
            parameters.map(|(name, value)| format!("{name}={value} ")).collect()
        }
        ("header", name) => handshake.header(name).unwrap_or("none").to_owned(),
        ("language", _) => handshake.language().unwrap_or("none").to_owned(),
        ("principal", _) => {
            let principal = session.principal();
            let name = principal.as_ref().map_or("nobody", Principal::name);
            format!("{name} {}", handshake.is_user_in_role("admin"))
        }
        ("secure", _) => session.is_secure().to_string(),
        ("version", _) => session.protocol_version().to_string(),
        ("subprotocol", _) => session.subprotocol().unwrap_or("none").to_owned(),
        ("extensions", _) => {
            session.extensions().iter().map(|it| format!("{it} ")).collect::<String>()
        }
        ("addresses", _) => {
            let (remote, local) = (handshake.remote_addr(), handshake.local_addr());
            format!("{remote:?} {local:?}")
        }
        ("room", _) => session.path_param("room").unwrap().to_owned(),
        (other, _) => panic!("{other}"),
    }
}

pub async fn ask(client: &mut WebSocket, question: &str) -> String {
    client.send(question).await;
    client.text().await
}

/// Both styles, beneath each of [`BOTH`].
fn app(change: impl Fn(EndpointConfig) -> EndpointConfig) -> App {
    let builder = App::builder()
        .endpoint_with(change(Facts::config()), |_| Facts)
        .endpoint_at_with("/plain/{room}", change(Facts::config()), |_| PlainFacts);
    builder.build().unwrap()
}

async fn facts() -> Running {
    serve(app(|config| config)).await
}

const BOTH: [&str; 2] = ["/facts", "/plain"];

pub async fn connect(server: &Running, path: &str, headers: &str) -> WebSocket {
    WebSocket::connect(server.http, path, headers).await.unwrap()
}

/// The lines of a handshake that every one needs, but for those that begin like one of `without`.
fn lines_without(without: &[&str]) -> String {
    let lines = [
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let kept = lines.iter().filter(|line| !without.iter().any(|name| line.starts_with(name)));
    kept.map(|line| format!("{line}\r\n")).collect()
}

/// The head of the answer to a request for each style, in lower case.
async fn answers(server: &Running, method: &str, lines: &str) -> Vec<String> {
    let mut heads = Vec::new();
    for path in BOTH {
        let mut raw = Raw::connect(server.http).await;
        raw.write(format!("{method} {path}/1 HTTP/1.1\r\n{lines}\r\n")).await;
        heads.push(raw.read_until("\r\n\r\n").await.to_lowercase());
    }
    heads
}

async fn assert_status(server: &Running, lines: &str, status: u16) {
    for head in answers(server, "GET", lines).await {
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{lines}{head}");
    }
}

#[tokio::test]
async fn connection_lists_upgrade_in_any_case_and_place() {
    let server = facts().await;
    let rest = lines_without(&["Connection"]);
    assert_status(&server, &rest, 400).await;
    for (connection, status) in [
        ("close", 400),
        ("keep-alive", 400),
        ("upgraded", 400),
        ("upgrade", 101),
        ("keep-alive, uPGRADE", 101),
        ("UPGRADE , x", 101),
    ] {
        assert_status(&server, &format!("Connection: {connection}\r\n{rest}"), status).await;
    }
}

#[tokio::test]
async fn a_version_that_is_not_13_is_426_with_the_version_to_use() {
    let server = facts().await;
    let rest = lines_without(&["Sec-WebSocket-Version"]);
    for version in ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n"] {
        for head in answers(&server, "GET", &format!("{version}{rest}")).await {
            assert!(head.starts_with("http/1.1 426 "), "{head}");
            assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_absent_or_not_16_octets_is_400() {
    let server = facts().await;
    let rest = lines_without(&["Sec-WebSocket-Key"]);
    for key in ["", "Sec-WebSocket-Key: c2hvcnQ=\r\n", "Sec-WebSocket-Key: !\r\n"] {
        assert_status(&server, &format!("{key}{rest}"), 400).await;
    }
}

#[tokio::test]
async fn a_method_other_than_get_is_405() {
    let server = facts().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let lines = lines_without(&[]) + "Content-Length: 0\r\n";
        for head in answers(&server, method, &lines).await {
            assert!(head.starts_with("http/1.1 405 "), "{method}: {head}");
        }
    }
}

#[tokio::test]
async fn by_default_the_same_origin_and_no_origin_are_let_in_and_others_get_403() {
    let server = facts().await;
    let same = format!("Origin: http://{}\r\n", server.http);
    for path in BOTH {
        let path = format!("{path}/1");
        connect(&server, &path, &same).await;
        connect(&server, &path, "").await;
        for foreign in ["http://evil", "null", "https://127.0.0.1:1"] {
            let origin = format!("Origin: {foreign}\r\n");
            let refused = WebSocket::connect(server.http, &path, &origin).await;
            assert!(refused.err().unwrap().starts_with("HTTP/1.1 403 "), "{foreign}");
        }
    }
}

#[tokio::test]
async fn a_header_is_found_in_any_case() {
    let server = facts().await;
    for path in BOTH {
        let mut client = connect(&server, &format!("{path}/1"), "X-Token: abc\r\n").await;
        for name in ["x-token", "X-TOKEN", "X-Token"] {
            assert_eq!(ask(&mut client, &format!("header {name}")).await, "abc");
        }
        assert_eq!(ask(&mut client, "header x-other").await, "none");
    }
}

#[tokio::test]
async fn the_parameters_are_those_of_the_path_and_of_the_query() {
    let server = facts().await;
    let cases = [
        ("", "none", "room=7 "),
        ("?a=1", "a=1", "room=7 a=1 "),
        ("?a=1&b=x%20y", "a=1&b=x%20y", "room=7 a=1 b=x y "),
        ("?a=1&a=2", "a=1&a=2", "room=7 a=1 a=2 "),
    ];
    for path in BOTH {
        for (query, written, parameters) in cases {
            let mut client = connect(&server, &format!("{path}/7{query}"), "").await;
            assert_eq!(ask(&mut client, "query").await, written);
            assert_eq!(ask(&mut client, "parameters").await, parameters);
        }
    }
}

#[tokio::test]
async fn the_uri_is_whole_with_scheme_and_query() {
    let server = facts().await;
    for path in BOTH {
        let mut client = connect(&server, &format!("{path}/7?x=1"), "").await;
        let expected = format!("ws://{}{path}/7?x=1", server.http);
        assert_eq!(ask(&mut client, "uri").await, expected);
        assert_eq!(ask(&mut client, "handshake-uri").await, expected);
        assert_eq!(ask(&mut client, "secure").await, "false");
        assert_eq!(ask(&mut client, "version").await, "13");
        assert_eq!(ask(&mut client, "room").await, "7");

        let client = Client::default().open(&expected).await.unwrap();
        assert_eq!(client.session().uri().unwrap().to_string(), expected);
    }
}

/// Both styles beneath an axum router, with what a layer says about each request.
async fn behind_a_layer(say: fn(&mut Extensions)) -> SocketAddr {
    let app = app(|config| config);
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

#[tokio::test]
async fn a_layer_that_knows_of_tls_makes_the_uri_wss() {
    let addr = behind_a_layer(|extensions| {
        extensions.insert(Secure);
    })
    .await;
    for path in BOTH {
        let mut client = WebSocket::connect(addr, &format!("{path}/7"), "").await.unwrap();
        assert_eq!(ask(&mut client, "uri").await, format!("wss://{addr}{path}/7"));
        assert_eq!(ask(&mut client, "secure").await, "true");
    }
}

#[tokio::test]
async fn nobody_is_authenticated_and_in_no_role_by_default() {
    let server = facts().await;
    for path in BOTH {
        let mut client = connect(&server, &format!("{path}/7"), "").await;
        assert_eq!(ask(&mut client, "principal").await, "nobody false");
    }
}

#[tokio::test]
async fn a_principal_that_a_layer_puts_into_the_request_is_the_sessions() {
    let addr = behind_a_layer(|extensions| {
        extensions.insert(Principal::new("ann").with_role("admin"));
    })
    .await;
    for path in BOTH {
        let mut client = WebSocket::connect(addr, &format!("{path}/7"), "").await.unwrap();
        assert_eq!(ask(&mut client, "principal").await, "ann true");
    }
}

#[tokio::test]
async fn the_addresses_of_both_ends_are_known() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = Server::new(app(|config| config)).listen(listen).await.unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], server.http_addrs()[0].port()));
        tokio::spawn(server.run_until(std::future::pending()));
        for path in BOTH {
            let mut client = WebSocket::connect(addr, &format!("{path}/7"), "").await.unwrap();
            let remote = client.stream.local_addr().unwrap();
            let expected = format!("{:?} {:?}", Some(remote), Some(addr));
            assert_eq!(ask(&mut client, "addresses").await, expected);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_has_no_addresses() {
    let name = format!("tidings-addresses-{}.sock", std::process::id());
    let socket = std::env::temp_dir().join(name);
    let server = Server::new(app(|config| config)).listen_unix(&socket).unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    let client = Client::builder().unix_socket(&socket).build();
    for path in BOTH {
        let mut client = client.open(&format!("ws://x{path}/7")).await.unwrap();
        client.send("addresses").await.unwrap();
        assert_eq!(client.next().await, Some("None None".into()));
    }
    std::fs::remove_file(socket).unwrap();
}

#[tokio::test]
async fn the_language_is_that_of_accept_language() {
    let server = facts().await;
    for path in BOTH {
        for language in ["fr", "de"] {
            let header = format!("Accept-Language: {language}\r\n");
            let mut client = connect(&server, &format!("{path}/7"), &header).await;
            assert_eq!(ask(&mut client, "language").await, language);
        }
        let mut client = connect(&server, &format!("{path}/7"), "").await;
        assert_eq!(ask(&mut client, "language").await, "none");
    }
}

#[tokio::test]
async fn the_policy_says_whose_order_of_subprotocols_counts() {
    for (policy, chosen) in
        [(SubprotocolPolicy::ClientOrder, "a"), (SubprotocolPolicy::ServerOrder, "b")]
    {
        let server = serve(app(|config| config.subprotocol_policy(policy))).await;
        for path in BOTH {
            let offer = "Sec-WebSocket-Protocol: a, b\r\n";
            let mut client = connect(&server, &format!("{path}/1"), offer).await;
            let header = format!("sec-websocket-protocol: {chosen}\r\n");
            assert!(client.head.to_lowercase().contains(&header), "{}", client.head);
            assert_eq!(ask(&mut client, "subprotocol").await, chosen);
        }
    }
}

#[tokio::test]
async fn without_a_common_subprotocol_the_connection_opens_with_none() {
    let server = facts().await;
    for path in BOTH {
        for offer in ["", "Sec-WebSocket-Protocol: x\r\n"] {
            let mut client = connect(&server, &format!("{path}/1"), offer).await;
            assert!(!client.head.to_lowercase().contains("sec-websocket-protocol"));
            assert_eq!(ask(&mut client, "subprotocol").await, "none");
        }
    }
}
