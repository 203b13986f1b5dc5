//! Listeners with TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tidings::App;
use tidings::client::{Client, HttpVersion};
use tidings::endpoint::{Endpoint, EndpointError, Session};
use tidings::server::{Server, ServerOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::PATIENCE;
use crate::{app, echo_over, echo_through};

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
        // The second time the session of TLS is resumed.
        for _ in 0..2 {
            let mut socket = Client::builder().tls(&config).build().open(&url).await.unwrap();
            assert_eq!(socket.next().await, Some(shown.clone().into()));
        }
    }
    let (of_stranger, stranger_key) = identity("client");
    let stranger = client().with_client_auth_cert(vec![of_stranger], stranger_key).unwrap();
    let refused = Client::builder().tls(&stranger).build().open(&url).await;
    assert!(refused.is_err(), "a certificate of another authority");
}

#[tokio::test]
async fn a_session_of_tls_is_resumed() {
    let (addr, connector) = serve_tls(ServerOptions::default()).await;
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let stream = TcpStream::connect(addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        // What resumes it comes with the first answer.
        echo_over(&mut stream).await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
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

#[tokio::test]
async fn a_websocket_over_http_2_and_tls() {
    let (config, client) = certificate();
    let server = Server::new(app()).listen_tls("127.0.0.1:0", config).await.unwrap();
    let addr = server.https_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    let client = Client::builder().http_version(HttpVersion::Http2).tls(&client).build();
    echo_through(&client, &format!("wss://localhost:{}/echo", addr.port())).await;
}
