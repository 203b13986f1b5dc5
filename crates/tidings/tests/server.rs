//! Listeners and limits of the server.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use support::{PATIENCE, WebSocket};
use tidings::App;
use tidings::client::{Client, HttpVersion};
use tidings::endpoint::{CloseCode, Endpoint, EndpointError, Message, Session};
use tidings::server::{Server, ServerOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const REQUEST: &str = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// `hi`, masked with zeros.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

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

fn app() -> App {
    App::builder().endpoint_at("/echo", || Echo).build().unwrap()
}

/// Opens a WebSocket over any stream, with a message sent together with the request, and waits for
/// the message to come back.
async fn echo_over(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&[REQUEST.as_bytes(), HI].concat()).await.unwrap();
    let mut answer = Vec::new();
    let echoed = async {
        while !answer.ends_with(b"\x81\x02hi") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
    };
    tokio::time::timeout(PATIENCE, echoed).await.expect("no echo");
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

fn certificate() -> (rustls::ServerConfig, rustls::ClientConfig) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = certified.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, client)
}

async fn serve_tls(options: ServerOptions) -> (SocketAddr, TlsConnector) {
    let (config, client) = certificate();
    let server = Server::new(app()).options(options);
    let server = server.listen_tls("127.0.0.1:0", config).await.unwrap();
    let addr = server.https_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    (addr, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn a_websocket_over_tls() {
    let (addr, connector) = serve_tls(ServerOptions::default()).await;
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.unwrap();
    echo_over(&mut stream).await;
}

/// Says which certificates the client has shown.
struct Certificates;

impl Endpoint for Certificates {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let certificates = session.handshake().client_certificates();
        let shown = certificates.collect::<Vec<_>>().concat();
        Ok(session.send(shown).await?)
    }
}

/// A key with a certificate that it has signed itself.
fn identity(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    (certified.cert.der().clone(), key)
}

fn trusting(certificate: &CertificateDer<'static>) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    roots
}

#[tokio::test]
async fn the_certificate_of_a_client_is_known_to_the_endpoint() {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (of_server, server_key) = identity("localhost");
    let (of_client, client_key) = identity("client");
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(trusting(&of_client)),
        Arc::clone(&provider),
    );
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![of_server.clone()], server_key)
        .unwrap();
    let app = App::builder().endpoint_at("/", || Certificates).build().unwrap();
    let server = Server::new(app).listen_tls("127.0.0.1:0", config).await.unwrap();
    let url = format!("wss://localhost:{}/", server.https_addrs()[0].port());
    tokio::spawn(server.run_until(std::future::pending()));

    let client = || {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        builder.with_root_certificates(trusting(&of_server))
    };
    let chain = vec![of_client.clone()];
    let known = client().with_client_auth_cert(chain, client_key).unwrap();
    for (config, shown) in [(known, of_client.to_vec()), (client().with_no_client_auth(), vec![])] {
        let mut socket = Client::builder().tls(&config).build().open(&url).await.unwrap();
        assert_eq!(socket.next().await, Some(shown.into()));
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_the_tls_handshake_is_let_go() {
    let tls_handshake_timeout = Duration::from_millis(10);
    let options = ServerOptions { tls_handshake_timeout, ..ServerOptions::default() };
    let (addr, _) = serve_tls(options).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut octet = [0];
    let ended = stream.read(&mut octet);
    assert_eq!(tokio::time::timeout(PATIENCE, ended).await.expect("still open").unwrap(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_websocket_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("tidings-{}.sock", std::process::id()));
    let server = Server::new(app()).listen_unix(&path).unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    echo_over(&mut stream).await;
}

async fn serve(options: ServerOptions) -> SocketAddr {
    let server = Server::new(app()).options(options).listen("127.0.0.1:0").await.unwrap();
    let addr = server.http_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    addr
}

#[tokio::test]
async fn a_client_that_sends_half_a_head_is_let_go() {
    let head_read_timeout = Duration::from_millis(10);
    let addr = serve(ServerOptions { head_read_timeout, ..ServerOptions::default() }).await;
    for half in ["", "P", "PR", "GET /echo HTTP/1.1\r\nHost: lo"] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        tokio::time::timeout(PATIENCE, ended).await.expect("still open").unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "), "{half}: {rest:?}");
    }
}

#[tokio::test]
async fn an_address_may_have_so_many_connections_as_sessions_too() {
    let options = ServerOptions { connections_per_addr_max: Some(1), ..ServerOptions::default() };
    let addr = serve(options).await;
    let mut first = WebSocket::connect(addr, "/echo", "").await.unwrap();
    first.send("one").await;
    assert_eq!(first.text().await, "one", "the HTTP connection is a session now");

    let mut second = TcpStream::connect(addr).await.unwrap();
    let mut octet = [0];
    let ended = second.read(&mut octet);
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("still open");
    assert!(matches!(ended, Ok(0) | Err(_)));

    drop(first);
    let third = async {
        loop {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let _ = stream.write_all(REQUEST.as_bytes()).await;
            let mut answer = [0; 12];
            if stream.read_exact(&mut answer).await.is_ok() {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, third).await.expect("never let in again");
    assert_eq!(&answer, b"HTTP/1.1 101");
}

#[tokio::test]
async fn websockets_over_http_2_prior_knowledge_and_tls() {
    let addr = serve(ServerOptions::default()).await;
    let client = Client::builder().http_version(HttpVersion::Http2).build();
    echo_through(&client, &format!("ws://{addr}/echo")).await;

    let (config, client) = certificate();
    let server = Server::new(app()).listen_tls("127.0.0.1:0", config).await.unwrap();
    let addr = server.https_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    let client = Client::builder().http_version(HttpVersion::Http2).tls(&client).build();
    echo_through(&client, &format!("wss://localhost:{}/echo", addr.port())).await;
}

#[tokio::test]
async fn a_foreign_origin_is_refused_over_http_2_too() {
    let addr = serve(ServerOptions::default()).await;
    let client = |origin: String| {
        let origin = origin.try_into().unwrap();
        Client::builder().http_version(HttpVersion::Http2).origin(origin).build()
    };
    let url = format!("ws://{addr}/echo");
    client(format!("http://{addr}")).open(&url).await.unwrap();
    let refused = client("http://elsewhere.example".to_owned()).open(&url).await.unwrap_err();
    assert_eq!(refused.response().unwrap().status(), 403);
}

async fn echo_through(client: &Client, url: &str) {
    let mut socket = client.open(url).await.unwrap();
    let messages = ["one".into(), Message::from(vec![7; 300_000]), "three".into()];
    for message in &messages {
        socket.send(message.clone()).await.unwrap();
    }
    for message in messages {
        assert_eq!(socket.next().await, Some(message));
    }
    socket.close(CloseCode::NORMAL_CLOSURE.into());
    assert_eq!(socket.next().await, None);
}
