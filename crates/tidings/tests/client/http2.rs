use std::net::SocketAddr;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::ext::Protocol;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings::client::{Client, ClientBuilder, ConnectError, HandshakeError, HttpVersion};
use tidings::endpoint::{CloseCode, CloseReason, Message};
use tidings_websocket::{CloseCode as Code, Connection, Encoder, Event, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Answer = Response<Full<Bytes>>;

/// Echoes over an accepted stream.
async fn echo(upgrade: hyper::upgrade::OnUpgrade) {
    let mut stream = TokioIo::new(upgrade.await.unwrap());
    let mut connection = Connection::new_server(Limits::default());
    let mut encoder = Encoder::new_server();
    let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let mut rest = &mut input[..];
        let event = connection.poll_event(&mut rest);
        input = rest.to_vec();
        let mut out = Vec::new();
        match event {
            Some(Event::Message(message)) => encoder.encode(&message, &mut out),
            Some(_) => {}
            None => match stream.read(&mut buffer).await.unwrap_or(0) {
                0 => return,
                len => input.extend_from_slice(&buffer[..len]),
            },
        }
        while let Some(octets) = connection.poll_transmit() {
            out.extend_from_slice(&octets);
        }
        stream.write_all(&out).await.unwrap();
        stream.flush().await.unwrap();
        if connection.is_closed() {
            return;
        }
    }
}

/// Accepts extended CONNECT at `/echo`, and tells in the header `x-seen` what it was sent.
async fn respond(mut request: Request<Incoming>) -> Result<Answer, std::convert::Infallible> {
    let protocol = request.extensions().get::<Protocol>().map(|it| it.as_ref().to_vec());
    let is_websocket = protocol.as_deref() == Some(b"websocket");
    let mut response = Answer::default();
    if !is_websocket || request.uri().path() == "/elsewhere" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    let seen = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    response.headers_mut().insert("x-seen", seen.parse().unwrap());
    if request.uri().path() == "/other" {
        response.headers_mut().insert("sec-websocket-protocol", "other".parse().unwrap());
    } else if request.headers().contains_key("sec-websocket-protocol") {
        response.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    }
    assert_eq!(request.method(), Method::CONNECT);
    tokio::spawn(echo(hyper::upgrade::on(&mut request)));
    Ok(response)
}

/// A server of HTTP/2 with prior knowledge.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.enable_connect_protocol();
            let serving = builder.serve_connection(TokioIo::new(stream), service_fn(respond));
            tokio::spawn(serving);
        }
    });
    addr
}

fn builder() -> ClientBuilder {
    Client::builder().http_version(HttpVersion::Http2)
}

#[tokio::test]
async fn extended_connect_opens_a_websocket() {
    let addr = server().await;
    let client = builder().subprotocols(["chat"]).build();
    let mut socket = client.open(&format!("ws://{addr}/echo?x")).await.unwrap();
    let handshake = socket.session().handshake();
    let seen = handshake.header("x-seen").unwrap();
    assert!(seen.starts_with(&format!("CONNECT http://{addr}/echo?x ")), "{seen}");
    assert!(!seen.contains("sec-websocket-key") && !seen.contains("upgrade"), "{seen}");
    assert_eq!(handshake.subprotocol(), Some("chat"));
    assert_eq!(handshake.uri(), format!("ws://{addr}/echo?x"));
    assert_eq!(handshake.remote_addr(), Some(addr));
    for len in [0, 5, 100_000] {
        let sent = Message::from(vec![7; len]);
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await, Some(sent));
    }
    socket.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code(), Code::NORMAL_CLOSURE);
}

#[tokio::test]
async fn a_refusal_in_http_2_carries_its_status() {
    let addr = server().await;
    let error = builder().build().open(&format!("ws://{addr}/elsewhere")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_fails_the_connection_in_http_2_too() {
    let addr = server().await;
    let error = builder().build().open(&format!("ws://{addr}/other")).await.unwrap_err();
    let expected = HandshakeError::SubprotocolNotOffered;
    assert!(matches!(error, ConnectError::Handshake(error) if error == expected), "{error:?}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_of_tls_that_prefers_http_1_is_spoken_to_in_http_1() {
    let (mut config, trusting) = super::support::certificate::certificate();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let serving =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(respond));
        let _ = serving.await;
    });
    let client = builder().tls(&trusting).build();
    let error = client.open(&format!("wss://localhost:{port}/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_server_that_does_not_know_extended_connect_is_spoken_to_in_http_1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let builder = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service_fn(respond)));
        let (stream, _) = listener.accept().await.unwrap();
        let builder = http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(stream), service_fn(respond)).await;
    });
    let error = builder().build().open(&format!("ws://{addr}/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
}
