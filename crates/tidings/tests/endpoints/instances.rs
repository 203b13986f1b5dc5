//! How many values of an endpoint there are, and whom they serve. And endpoints that do nothing.

use std::sync::{Arc, Mutex};

use counted::CountedConfigurator;
use tidings::client::Client;
use tidings::endpoint::{
    CloseCode, CloseReason, Endpoint, EndpointConfig, EndpointError, Message, ServerEndpoint,
    Session,
};
use tidings::{App, server_endpoint};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::lifecycle::{PING, expect_pong};
use super::support::{WebSocket, serve};

struct Counting {
    count: u32,
}

#[server_endpoint("/counting", configurator = CountedConfigurator::new())]
impl Counting {
    #[on_message]
    fn said(&mut self, _: String) -> u32 {
        self.count += 1;
        self.count
    }
}

/// The same, programmatic.
struct PlainCounting(Counting);

impl Endpoint for PlainCounting {
    async fn on_message(&mut self, session: &Session, _: Message) -> Result<(), EndpointError> {
        self.0.count += 1;
        Ok(session.send(self.0.count.to_string()).await?)
    }
}

mod counted {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tidings::endpoint::{Configurator, Handshake, Origin};

    /// Counts its values, and refuses one origin.
    pub struct CountedConfigurator(());

    static MADE: AtomicU32 = AtomicU32::new(0);

    impl CountedConfigurator {
        pub fn new() -> Self {
            MADE.fetch_add(1, Ordering::Relaxed);
            Self(())
        }

        pub fn made() -> u32 {
            MADE.load(Ordering::Relaxed)
        }
    }

    impl Configurator for CountedConfigurator {
        fn check_origin(&self, origin: Origin<'_>, _: &Handshake) -> bool {
            origin.value() != Some("http://refused")
        }
    }
}

async fn count(client: &mut WebSocket) -> String {
    client.send("").await;
    client.text().await
}

#[tokio::test]
async fn the_factory_makes_an_endpoint_for_each_connection_and_the_configurator_is_one() {
    let made = Arc::new(Mutex::new(0));
    let (annotated, programmatic) = (Arc::clone(&made), Arc::clone(&made));
    let before = CountedConfigurator::made();
    let app = App::builder()
        .endpoint(move || {
            *annotated.lock().unwrap() += 1;
            Counting { count: 0 }
        })
        .endpoint_at_with(
            "/plain",
            EndpointConfig::new().configurator(CountedConfigurator::new()),
            move |_| {
                *programmatic.lock().unwrap() += 1;
                PlainCounting(Counting { count: 0 })
            },
        );
    let server = serve(app.build().unwrap()).await;
    assert_eq!(*made.lock().unwrap(), 0);
    for path in [Counting::PATH, "/plain"] {
        let (mut first, mut second) = (server.websocket(path).await, server.websocket(path).await);
        assert_eq!(count(&mut first).await, "1", "{path}");
        assert_eq!(count(&mut first).await, "2", "{path}");
        assert_eq!(count(&mut second).await, "1", "{path}");
        let refused = WebSocket::connect(server.http, path, "Origin: http://refused\r\n").await;
        assert!(refused.err().unwrap().starts_with("HTTP/1.1 403 "));
    }
    assert_eq!(*made.lock().unwrap(), 4);
    assert_eq!(CountedConfigurator::made() - before, 2);
}

mod shared {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tidings::endpoint::{EndpointError, Payload, Session, SharedEndpoint};
    use tidings::server_endpoint;

    #[derive(Default)]
    pub struct Annotated(AtomicU32);

    #[server_endpoint("/annotated", shared)]
    impl Annotated {
        #[on_message]
        fn said(&self, _: String) -> u32 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    #[derive(Default)]
    pub struct Programmatic(AtomicU32);

    impl SharedEndpoint for Programmatic {
        async fn on_payload(&self, session: &Session, _: Payload) -> Result<(), EndpointError> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            Ok(session.send(count.to_string()).await?)
        }
    }
}

#[tokio::test]
async fn a_shared_endpoint_counts_for_all_connections() {
    let programmatic = tidings::endpoint::Shared::new(shared::Programmatic::default());
    let app = App::builder()
        .shared_endpoint(shared::Annotated::default())
        .endpoint_at("/programmatic", move || programmatic.clone());
    let server = serve(app.build().unwrap()).await;
    for path in ["/annotated", "/programmatic"] {
        let (mut first, mut second) = (server.websocket(path).await, server.websocket(path).await);
        assert_eq!(count(&mut first).await, "0", "{path}");
        assert_eq!(count(&mut second).await, "1", "{path}");
        assert_eq!(count(&mut first).await, "2", "{path}");
    }
}

/// No methods at all, in each style.
mod idle {
    use tidings::endpoint::Endpoint;
    use tidings::{client_endpoint, server_endpoint};

    pub struct OfServer;

    #[server_endpoint("/annotated")]
    impl OfServer {}

    pub struct OfClient;

    #[client_endpoint]
    impl OfClient {}

    pub struct Programmatic;

    impl Endpoint for Programmatic {}
}

/// A ping as a client sends it, and as a server does.
const MASKED_PING: &[u8] = &[PING, 0x80, 0, 0, 0, 0];
const BARE_PING: &[u8] = &[PING, 0];

/// The other end of an endpoint that does nothing.
async fn check_idle(mut peer: WebSocket, ping: &[u8]) {
    peer.send("text").await;
    peer.send(vec![1, 2]).await;
    peer.stream.write_all(ping).await.unwrap();
    expect_pong(&mut peer, b"").await;
    let code = CloseCode::new(4000).unwrap();
    peer.close(CloseReason::new(code, "enough").unwrap()).await;
}

#[tokio::test]
async fn an_endpoint_without_methods_is_open_and_ignores_messages_and_closes_cleanly() {
    let app = App::builder()
        .endpoint(|| idle::OfServer)
        .endpoint_at("/programmatic", || idle::Programmatic);
    let server = serve(app.build().unwrap()).await;
    for path in ["/annotated", "/programmatic"] {
        check_idle(server.websocket(path).await, MASKED_PING).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let client = Client::default();
    let connecting = client.connect(&url, idle::OfClient);
    let (peer, connected) = tokio::join!(WebSocket::accept(&listener), connecting);
    check_idle(peer, BARE_PING).await;
    connected.unwrap();
    let connecting = client.connect(&url, idle::Programmatic);
    let (peer, connected) = tokio::join!(WebSocket::accept(&listener), connecting);
    check_idle(peer, BARE_PING).await;
    connected.unwrap();
}
