use std::sync::Arc;

use rustls::ClientConfig;
use tidings::client::sockjs::{ClientTransport, SockJsClient};
use tidings::client::{Client, ConnectError};
use tidings::endpoint::{Endpoint, EndpointError, Message, SendError, Session};
use tidings::server::Server;
use tidings::{App, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::peer::{accept_with, read_request, status};
use super::support::certificate::certificate;

/// A server with a certificate for `localhost` that answers one handshake and one ping, and the
/// client's configuration that trusts it.
async fn server() -> (u16, ClientConfig) {
    let (config, trusting) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let request = read_request(&mut stream).await;
            let answer = match &*request.line {
                "GET /insecure HTTP/1.1" => status("302 Found", "Location: http://localhost/\r\n"),
                _ => accept_with("", b"\x81\x06secret"),
            };
            stream.write_all(&answer(&request)).await.unwrap();
            stream.flush().await.unwrap();
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    });
    (port, trusting)
}

#[tokio::test]
async fn a_trusted_server_is_spoken_to_securely() {
    let (port, trusting) = server().await;
    let client = Client::builder().tls(&trusting).build();
    let mut socket = client.open(&format!("wss://localhost:{port}/")).await.unwrap();
    assert_eq!(socket.next().await, Some("secret".into()));
    socket.send("answer").await.unwrap();
    assert!(socket.session().handshake().remote_addr().is_some());
    assert!(socket.session().is_secure());
}

#[tokio::test]
async fn an_unknown_authority_another_name_and_no_tls_at_all_are_errors_of_tls() {
    let (port, trusting) = server().await;
    let cases = [
        (Client::default(), format!("wss://localhost:{port}/")),
        (Client::builder().tls(&trusting).build(), format!("wss://127.0.0.1:{port}/")),
    ];
    for (client, url) in cases {
        let error = client.open(&url).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{url}: {error:?}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let mail = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.example.org ESMTP\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let error = Client::default().open(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    mail.await.unwrap();
}

#[tokio::test]
async fn no_redirection_leads_out_of_tls() {
    let (port, trusting) = server().await;
    let client = Client::builder().tls(&trusting).build();
    let error = client.open(&format!("wss://localhost:{port}/insecure")).await.unwrap_err();
    assert!(matches!(error, ConnectError::InsecureRedirect(_)), "{error:?}");
}

#[tokio::test]
async fn our_own_server_echoes_much_over_tls() {
    let (config, trusting) = certificate();
    let echo = |mut socket: WebSocket| async move {
        while let Some(message) = socket.next().await {
            socket.send(message).await?;
        }
        Ok::<_, SendError>(())
    };
    let app = App::builder().socket("/", echo).build().unwrap();
    let server = Server::new(app).listen_tls("127.0.0.1:0", config).await.unwrap();
    let port = server.https_addrs()[0].port();
    tokio::spawn(server.run_until(std::future::pending()));

    let client = Client::builder().tls(&trusting).build();
    let mut socket = client.open(&format!("wss://localhost:{port}/")).await.unwrap();
    for len in [0, 1, 1_000, 100_000, 1_000_000] {
        let sent = Message::from(vec![7; len]);
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await, Some(sent));
    }
    let session = socket.session().clone();
    tokio::spawn(async move {
        for i in 0..1_000 {
            session.send(format!("{i}")).await.unwrap();
        }
    });
    for i in 0..1_000 {
        assert_eq!(socket.next().await, Some(Message::from(format!("{i}"))));
    }
}

#[tokio::test]
async fn sockjs_works_over_tls_by_every_transport() {
    let (config, trusting) = certificate();
    let app = App::builder().sockjs("/echo", || Echo).build().unwrap();
    let server = Server::new(app).listen_tls("127.0.0.1:0", config).await.unwrap();
    let url = format!("https://localhost:{}/echo", server.https_addrs()[0].port());
    tokio::spawn(server.run_until(std::future::pending()));

    for transport in ClientTransport::ALL {
        let client = Client::builder().tls(&trusting).sockjs().transports([transport]).build();
        let mut socket = client.open(&url).await.unwrap();
        assert!(socket.session().is_secure());
        socket.send("secret").await.unwrap();
        assert_eq!(socket.next().await.as_deref(), Some("secret"), "{transport:?}");
    }
    let error = SockJsClient::default().open(&url).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
}

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        session.send(message).await?;
        Ok(())
    }
}
