//! The same endpoint in every way: annotated and programmatic, of a server and of a client.

use std::fmt::Display;

use tidings::App;
use tidings::client::Client;
use tidings::endpoint::{ConnectionOptions, Endpoint, Session};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::support::{PATIENCE, Running, WebSocket, frame, serve};

/// Which endpoint is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    AnnotatedServer,
    AnnotatedClient,
    ProgrammaticServer,
    ProgrammaticClient,
}

/// Two endpoints with the same annotated methods, the first for servers, the second for clients. Each has
/// one field, of the type that follows; in the brackets are the options of both attributes.
macro_rules! annotated {
    ($server:ident, $client:ident, $state:ty, [$($options:tt)*]; $($methods:tt)*) => {
        struct $server($state);

        #[tidings::server_endpoint("/", $($options)*)]
        impl $server {
            $($methods)*
        }

        struct $client($state);

        #[tidings::client_endpoint($($options)*)]
        impl $client {
            $($methods)*
        }
    };
}
pub(crate) use annotated;

/// How an endpoint tells the test what happens to it.
#[derive(Clone)]
pub struct Teller {
    told: mpsc::UnboundedSender<String>,
    sessions: mpsc::UnboundedSender<Session>,
}

impl Teller {
    pub fn new() -> (Self, Ears) {
        let (told, heard) = mpsc::unbounded_channel();
        let (sessions, handed_over) = mpsc::unbounded_channel();
        (Self { told, sessions }, Ears { told: heard, sessions: handed_over })
    }

    pub fn tell(&self, what: impl Display) {
        // The test may be over.
        let _ = self.told.send(what.to_string());
    }

    pub fn hand_over(&self, session: &Session) {
        let _ = self.sessions.send(session.clone());
    }
}

/// A session of the endpoint that is looked at, seen from its other end.
pub struct Scene {
    pub way: Way,
    pub peer: WebSocket,
    pub ears: Ears,
    server: Option<Running>,
}

/// Where what the endpoint tells arrives.
pub struct Ears {
    told: mpsc::UnboundedReceiver<String>,
    sessions: mpsc::UnboundedReceiver<Session>,
}

impl Ears {
    /// What the endpoint tells next.
    pub async fn told(&mut self) -> String {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("nothing was told").expect("nothing more is told")
    }

    /// Whether nothing has been told.
    pub fn are_idle(&self) -> bool {
        self.told.is_empty()
    }

    /// The session, if the endpoint hands it over.
    pub async fn session(&mut self) -> Session {
        let session = tokio::time::timeout(PATIENCE, self.sessions.recv()).await;
        session.expect("no session was handed over").unwrap()
    }
}

impl Scene {
    /// What the endpoint tells next.
    pub async fn told(&mut self) -> String {
        self.ears.told().await
    }

    pub async fn expect_told(&mut self, expected: &str) {
        assert_eq!(self.told().await, expected, "{:?}", self.way);
    }

    pub async fn expect_text(&mut self, expected: &str) {
        assert_eq!(self.peer.text().await, expected, "{:?}", self.way);
    }

    /// The session, if the endpoint hands it over.
    pub async fn session(&mut self) -> Session {
        self.ears.session().await
    }

    /// A frame as the peer has to send it: that of a client is masked.
    pub fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        match self.way {
            Way::AnnotatedServer | Way::ProgrammaticServer => frame(first, payload),
            Way::AnnotatedClient | Way::ProgrammaticClient => {
                let len = u8::try_from(payload.len()).unwrap();
                [&[first, len], payload].concat()
            }
        }
    }

    /// Has the peer send one frame.
    pub async fn write_frame(&mut self, first: u8, payload: &[u8]) {
        let frame = self.frame(first, payload);
        self.peer.stream.write_all(&frame).await.unwrap();
    }

    /// Has the peer go away; this is told then.
    pub async fn lose_peer(self, expected: &[&str]) {
        let Self { way, peer, mut ears, server } = self;
        drop(peer);
        for expected in expected {
            assert_eq!(ears.told().await, *expected, "{way:?}");
        }
        drop(server);
    }

    /// Ends the session, if that has not ended; what is told until nobody is left who could.
    pub async fn told_to_the_end(self) -> Vec<String> {
        let Self { peer, mut ears, server, .. } = self;
        drop(peer);
        if let Some(server) = server {
            server.stop().await.unwrap();
        }
        let mut rest = Vec::new();
        let all = async {
            while let Some(told) = ears.told.recv().await {
                rest.push(told);
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("the endpoint does not end");
        rest
    }
}

/// Plays a scenario with each of the four.
pub async fn in_every_way<S: Endpoint, C: Endpoint, P: Endpoint>(
    of_server: impl Fn(Teller) -> S + Send + Sync + 'static,
    of_client: impl Fn(Teller) -> C,
    programmatic: impl Fn(Teller) -> P + Clone + Send + Sync + 'static,
    scenario: impl AsyncFn(Scene),
) {
    let options = ConnectionOptions::default();
    in_every_way_with(&options, of_server, of_client, programmatic, scenario).await;
}

/// The same with options of the connections.
pub async fn in_every_way_with<S: Endpoint, C: Endpoint, P: Endpoint>(
    options: &ConnectionOptions,
    of_server: impl Fn(Teller) -> S + Send + Sync + 'static,
    of_client: impl Fn(Teller) -> C,
    programmatic: impl Fn(Teller) -> P + Clone + Send + Sync + 'static,
    scenario: impl AsyncFn(Scene),
) {
    scenario(at_server(Way::AnnotatedServer, options, of_server).await).await;
    scenario(at_client(Way::AnnotatedClient, options, of_client).await).await;
    scenario(at_server(Way::ProgrammaticServer, options, programmatic.clone()).await).await;
    scenario(at_client(Way::ProgrammaticClient, options, programmatic).await).await;
}

/// Plays a scenario that annotated endpoints only know.
pub async fn annotated_only<S: Endpoint, C: Endpoint>(
    of_server: impl Fn(Teller) -> S + Send + Sync + 'static,
    of_client: impl Fn(Teller) -> C,
    scenario: impl AsyncFn(Scene),
) {
    let options = ConnectionOptions::default();
    scenario(at_server(Way::AnnotatedServer, &options, of_server).await).await;
    scenario(at_client(Way::AnnotatedClient, &options, of_client).await).await;
}

/// A server with the endpoint, and a client of it.
async fn at_server<E: Endpoint>(
    way: Way,
    options: &ConnectionOptions,
    endpoint: impl Fn(Teller) -> E + Send + Sync + 'static,
) -> Scene {
    let (teller, ears) = Teller::new();
    let app = App::builder()
        .connection_options(options.clone())
        .endpoint_at("/", move || endpoint(teller.clone()));
    let server = serve(app.build().unwrap()).await;
    let peer = server.websocket("/").await;
    Scene { way, peer, ears, server: Some(server) }
}

/// A client with the endpoint, and the server that it is connected to.
async fn at_client<E: Endpoint>(
    way: Way,
    options: &ConnectionOptions,
    endpoint: impl Fn(Teller) -> E,
) -> Scene {
    let (teller, ears) = Teller::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = Client::builder().connection_options(options.clone()).build();
    let connecting = client.connect(&url, endpoint(teller));
    let (peer, connected) = tokio::join!(WebSocket::accept(&listener), connecting);
    connected.unwrap();
    Scene { way, peer, ears, server: None }
}
