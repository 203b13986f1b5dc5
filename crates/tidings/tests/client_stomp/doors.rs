//! The same by TCP, TLS, WebSocket, SockJS and a proxy.

use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "tls")]
use tidings::App;
use tidings::client::stomp::{StompClient, StompError};
use tidings::client::{Client, Proxy};
use tidings::endpoint::Json;
#[cfg(feature = "tls")]
use tidings::server::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(feature = "tls")]
use tokio_rustls::TlsAcceptor;

use super::peer::{server, tcp_url, within};
use super::support::Raw;
#[cfg(feature = "tls")]
use super::support::certificate::certificate;

#[tokio::test]
async fn every_door_reaches_the_same_destinations() {
    let server = server().await;
    let urls = [
        tcp_url(server.stomp),
        format!("tcp://{}/", server.stomp),
        format!("ws://{}/stomp", server.http),
        format!("http://{}/stomp", server.http),
    ];
    let mut clients = Vec::new();
    for url in &urls {
        let client =
            StompClient::connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let numbers = client.subscribe::<Json<usize>>("/topic/doors").await.unwrap();
        clients.push((client, numbers));
    }
    for sender in 0..urls.len() {
        clients[sender].0.send("/topic/doors").json(&sender).receipt().await.unwrap();
        for (_, numbers) in &mut clients {
            let Json(number) = within(numbers.next()).await.unwrap().unwrap().payload;
            assert_eq!(number, sender);
        }
    }
    for (client, _) in clients {
        within(client.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn octets_that_are_no_text_go_by_all_doors_but_sockjs() {
    let server = server().await;
    let octets: Vec<u8> = (0..=255).collect();
    for url in [tcp_url(server.stomp), format!("ws://{}/stomp", server.http)] {
        let client = StompClient::connect(&url).await.unwrap();
        let mut bodies = client.subscribe::<Vec<u8>>("/topic/octets").await.unwrap();
        client.send("/topic/octets").body(octets.clone()).receipt().await.unwrap();
        assert_eq!(within(bodies.next()).await.unwrap().unwrap().payload, octets);
    }
    let client = StompClient::connect(&format!("http://{}/stomp", server.http)).await.unwrap();
    let refused = client.send("/topic/octets").body(octets.clone()).await;
    assert!(matches!(refused, Err(StompError::NotText)), "{refused:?}");
    let refused = client.send("/topic/octets").body(octets).receipt().await;
    assert!(matches!(refused, Err(StompError::NotText)), "{refused:?}");
    client.send("/topic/octets").text("text").receipt().await.unwrap();
}

#[tokio::test]
async fn a_megabyte_goes_both_ways() {
    let server = server().await;
    let text = "grüße 😀 ".repeat(70_000);
    for url in [
        tcp_url(server.stomp),
        format!("ws://{}/stomp", server.http),
        format!("http://{}/stomp", server.http),
    ] {
        let client = StompClient::connect(&url).await.unwrap();
        let mut texts = client.subscribe::<String>("/topic/large").await.unwrap();
        client.send("/topic/large").text(text.clone()).receipt().await.unwrap();
        let message = within(texts.next()).await.unwrap().unwrap();
        assert!(message.payload == text, "{url}: {} octets", message.payload.len());
    }
}

/// What comes by a connection to this listener, passed on to a server over plain TCP once `wrap` has done with it.
async fn relay<S>(
    listener: TcpListener,
    server: SocketAddr,
    wrap: impl AsyncFn(TcpStream) -> S,
) -> tokio::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, _) = listener.accept().await?;
    let mut upstream = TcpStream::connect(server).await?;
    tokio::io::copy_bidirectional(&mut wrap(stream).await, &mut upstream).await.map(drop)
}

#[tokio::test]
async fn a_proxy_leads_to_a_server_over_tcp() {
    let server = server().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let target = server.stomp;
    let proxying = tokio::spawn(relay(listener, target, async move |stream| {
        let mut raw = Raw::new(stream);
        let request = raw.read_until("\r\n\r\n").await;
        assert!(request.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{request}");
        raw.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
        raw.stream
    }));
    let client = Client::builder().proxy(proxy).stomp();
    let client = client.connect(&tcp_url(server.stomp)).await.unwrap();
    client.send("/topic/a").text("by a proxy").receipt().await.unwrap();
    client.disconnect().await.unwrap();
    let _ = within(proxying).await.unwrap();
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_is_for_stomp_and_asks_for_no_http() {
    let server = server().await;
    let (mut showing, trusting) = certificate();
    // A client that asked for HTTP would be refused.
    showing.alpn_protocols = vec![b"something else".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(showing));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let wrap = async move |stream| acceptor.accept(stream).await.unwrap();
    let relaying = tokio::spawn(relay(listener, server.stomp, wrap));
    let client = Client::builder().tls(&trusting).stomp();
    let client = client.connect(&format!("stomp+ssl://localhost:{port}")).await.unwrap();
    let mut texts = client.subscribe::<String>("/topic/a").await.unwrap();
    client.send("/topic/a").text("secret").receipt().await.unwrap();
    assert_eq!(within(texts.next()).await.unwrap().unwrap().payload, "secret");
    drop(texts);
    client.disconnect().await.unwrap();
    let _ = within(relaying).await.unwrap();
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn websocket_and_sockjs_go_over_tls_too() {
    let (showing, trusting) = certificate();
    let app = App::builder().stomp("/stomp").build().unwrap();
    let server = Server::new(app).listen_tls("127.0.0.1:0", showing.clone()).await.unwrap();
    let server = server.stomp_listen_tls("127.0.0.1:0", showing).await.unwrap();
    let (port, stomp_port) = (server.https_addrs()[0].port(), server.stomp_tls_addrs()[0].port());
    let serving = tokio::spawn(server.run_until(std::future::pending()));
    for scheme in ["wss", "https"] {
        let client = Client::builder().tls(&trusting).stomp();
        let client = client.connect(&format!("{scheme}://localhost:{port}/stomp")).await.unwrap();
        client.send("/topic/a").text("secret").receipt().await.unwrap();
        client.disconnect().await.unwrap();
    }
    // One that trusts another certificate.
    let (_, untrusting) = certificate();
    for url in [
        format!("stomp+ssl://localhost:{stomp_port}"),
        format!("wss://localhost:{port}/stomp"),
        format!("https://localhost:{port}/stomp"),
    ] {
        let refused = Client::builder().tls(&untrusting).stomp().connect(&url).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("no secure connection"), "{url}: {error}");
        assert!(error.contains("certificate"), "{url}: {error}");
    }
    serving.abort();
}
