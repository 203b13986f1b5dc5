//! STOMP over TLS, with and without certificates of clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SerialNumber};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tidings::App;
use tidings::messaging::{AccessDenied, Login};
use tidings::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::PATIENCE;

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn identity(name: &str) -> Identity {
    identity_with(|params| params.distinguished_name.push(DnType::CommonName, name))
}

fn identity_with(set: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    set(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

fn roots(certificate: &CertificateDer<'static>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    Arc::new(roots)
}

/// A server that trusts the certificate of one client, and asks for it.
async fn serve(app: App, server: &Identity, client: &Identity) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(&client.0), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![server.0.clone()], server.1.clone_key())
        .unwrap();
    let server = Server::new(app).stomp_listen_tls("127.0.0.1:0", config).await.unwrap();
    let addr = server.stomp_tls_addrs()[0];
    tokio::spawn(server.run_until(std::future::pending()));
    addr
}

/// A client that trusts the server, and shows `identity`.
fn client(server: &Identity, identity: Option<&Identity>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&server.0));
    let config = match identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            config.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

/// What the server answers to a client, up to the end of the stream, and how they began.
async fn try_ask(
    addr: SocketAddr,
    client: &TlsConnector,
    frames: &str,
) -> io::Result<(String, Option<HandshakeKind>)> {
    let asked = async {
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client.connect(name, stream).await?;
        stream.write_all(frames.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok((answer, stream.get_ref().1.handshake_kind()))
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("nothing came")
}

async fn ask(
    addr: SocketAddr,
    server: &Identity,
    identity: Option<&Identity>,
    frames: &str,
) -> String {
    try_ask(addr, &client(server, identity), frames).await.unwrap().0
}

const FRAMES: &str = "CONNECT\naccept-version:1.2\nlogin:bob\n\n\0DISCONNECT\nreceipt:bye\n\n\0";

#[tokio::test]
async fn a_certificate_says_who_a_client_is_and_a_login_does_not() {
    let (server, client) = (identity("server"), identity("ann"));
    let addr = serve(App::builder().build().unwrap(), &server, &client).await;
    let answer = ask(addr, &server, Some(&client), FRAMES).await;
    assert!(answer.contains("user-name:ann\n") && answer.contains("receipt-id:bye\n"), "{answer}");
    let answer = ask(addr, &server, None, FRAMES).await;
    assert!(answer.contains("user-name:bob\n"), "{answer}");
}

#[tokio::test]
async fn whose_certificate_says_nothing_is_not_whoever_they_say() {
    let server = identity("server");
    let nameless = identity_with(|params| params.distinguished_name = DistinguishedName::new());
    // RFC 5280 allows no serial number of so many octets, rustls does.
    let unreadable = identity_with(|params| {
        params.distinguished_name.push(DnType::CommonName, "ann");
        params.serial_number = Some(SerialNumber::from_slice(&[1; 30]));
    });
    for client in [nameless, unreadable] {
        let addr = serve(App::builder().build().unwrap(), &server, &client).await;
        let answer = ask(addr, &server, Some(&client), FRAMES).await;
        assert!(answer.starts_with("ERROR\n") && answer.contains("common name"), "{answer}");
    }
}

#[tokio::test]
async fn the_authenticator_is_told_of_the_certificate() {
    let authenticator = |login: Login| async move {
        assert!(login.handshake.is_secure());
        login.verified().ok_or_else(|| AccessDenied::new("Show a certificate."))
    };
    let (server, client) = (identity("server"), identity("ann"));
    let app = App::builder().authenticator(authenticator).build().unwrap();
    let addr = serve(app, &server, &client).await;
    assert!(ask(addr, &server, Some(&client), FRAMES).await.contains("user-name:ann\n"));
    let refused = ask(addr, &server, None, FRAMES).await;
    assert!(refused.contains("Show a certificate."), "{refused}");
}

#[tokio::test]
async fn a_certificate_of_nobody_who_is_trusted_is_refused() {
    let (server, trusted, stranger) = (identity("server"), identity("ann"), identity("ann"));
    let addr = serve(App::builder().build().unwrap(), &server, &trusted).await;
    let refused = try_ask(addr, &client(&server, Some(&stranger)), FRAMES).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn whoever_comes_back_is_known_by_the_certificate_of_before() {
    let (server, ann) = (identity("server"), identity("ann"));
    let addr = serve(App::builder().build().unwrap(), &server, &ann).await;
    let client = client(&server, Some(&ann));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (answer, began) = try_ask(addr, &client, FRAMES).await.unwrap();
        assert_eq!(began, Some(kind));
        assert!(answer.contains("user-name:ann\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_last_frame_arrives_over_tls_although_input_was_left_unread() {
    let server = identity("server");
    let addr = serve(App::builder().build().unwrap(), &server, &identity("ann")).await;
    let unread = "SEND\ndestination:/topic/a\n\nx\0".repeat(20_000);
    for (last, expected) in [
        ("NONSENSE\n", "ERROR\nmessage:unknown command\n"),
        ("DISCONNECT\nreceipt:last\n\n\0", "RECEIPT\nreceipt-id:last\n"),
    ] {
        let frames = format!("CONNECT\naccept-version:1.2\n\n\0{last}{unread}");
        let answer = ask(addr, &server, None, &frames).await;
        assert!(answer.contains(expected), "{answer}");
    }
}
