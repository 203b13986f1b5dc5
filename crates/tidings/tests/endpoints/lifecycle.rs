//! The life of a session: when its endpoint is made, what is called when, and how often. Every scenario runs
//! with annotated and programmatic endpoints, of servers and of clients.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tidings::client::Client;
use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Message, Session,
};
use tidings::{App, client_endpoint, server_endpoint};
use tidings_websocket::Event;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::support::{PATIENCE, Running, WebSocket, serve};

/// Tells what is called.
#[derive(Clone)]
struct Witness {
    told: mpsc::UnboundedSender<String>,
    /// Who waits here goes on when the test lets them.
    gate: Arc<Semaphore>,
    sessions: Arc<Mutex<Vec<Session>>>,
}

impl Witness {
    fn tell(&self, text: impl Into<String>) {
        let _ = self.told.send(text.into());
    }

    async fn pass_gate(&self) {
        self.gate.acquire().await.unwrap().forget();
    }

    async fn opened(&self, session: &Session) -> Result<(), EndpointError> {
        self.tell(format!("opening, open: {}", session.is_open()));
        session.user_properties().set("kept", "kept");
        self.sessions.lock().unwrap().push(session.clone());
        self.pass_gate().await;
        session.send("first").await?;
        session.send("second").await?;
        self.tell("opened");
        Ok(())
    }

    async fn said(&self, session: &Session, text: String) -> Result<String, BoxError> {
        self.tell(format!("{text} begins"));
        match &*text {
            "slow" => self.pass_gate().await,
            "close" => session.close(CloseReason::new(CloseCode::new(4001)?, "bye")?),
            // Gives whoever wants to overtake the chance.
            _ => yield_often().await,
        }
        self.tell(format!("{text} ends"));
        Ok(text)
    }

    fn closed(&self, session: &Session, info: &CloseInfo) {
        let (code, kept) = (info.reason.code().as_u16(), session.user_properties().value("kept"));
        self.tell(format!("closed {code}, open: {}, {}", session.is_open(), kept.unwrap()));
    }
}

async fn yield_often() {
    let mut left = 10;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Endpoint for Witness {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.opened(session).await
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        let reply = self.said(session, text).await.map_err(EndpointError::Handler)?;
        Ok(session.send(reply).await?)
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        self.closed(session, info);
    }

    /// A reply after the close is one of the errors.
    async fn on_error(&mut self, _: &Session, _: EndpointError) -> Flow {
        Flow::Continue
    }
}

/// The same with annotated methods.
macro_rules! annotated {
    ($name:ident, $attribute:meta) => {
        struct $name(Witness);

        #[$attribute]
        impl $name {
            #[on_open]
            async fn opened(&self, session: &Session) -> Result<(), EndpointError> {
                self.0.opened(session).await
            }

            #[on_message]
            async fn said(&self, text: String, session: &Session) -> Result<String, BoxError> {
                self.0.said(session, text).await
            }

            #[on_close]
            fn closed(&self, session: &Session, info: &CloseInfo) {
                self.0.closed(session, info);
            }

            #[on_error]
            fn failed(&self, _: EndpointError) {}
        }
    };
}

annotated!(OfServer, server_endpoint("/annotated"));
annotated!(OfClient, client_endpoint);

/// Which endpoint is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    AnnotatedServer,
    ProgrammaticServer,
    AnnotatedClient,
    ProgrammaticClient,
}

const WAYS: [Way; 4] =
    [Way::AnnotatedServer, Way::ProgrammaticServer, Way::AnnotatedClient, Way::ProgrammaticClient];

/// An endpoint that is looked at, as server or as client.
struct Scene {
    way: Way,
    witness: Witness,
    told: mpsc::UnboundedReceiver<String>,
    server: Running,
    client: Client,
    /// Where clients connect to.
    listener: TcpListener,
}

impl Scene {
    async fn new(way: Way) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let (gate, sessions) = (Arc::new(Semaphore::new(0)), Arc::default());
        let witness = Witness { told: sender, gate, sessions };
        let (annotated, programmatic) = (witness.clone(), witness.clone());
        let app = App::builder()
            .endpoint(move || OfServer(annotated.clone()))
            .endpoint_at("/programmatic", move || programmatic.clone());
        let server = serve(app.build().unwrap()).await;
        let client = Client::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { way, witness, told, server, client, listener }
    }

    /// Opens a session, whose endpoint waits in `on_open`. The other end is what this returns.
    async fn begin(&mut self) -> WebSocket {
        let url = format!("ws://{}", self.listener.local_addr().unwrap());
        let witness = self.witness.clone();
        let peer = match self.way {
            Way::AnnotatedServer => self.server.websocket("/annotated").await,
            Way::ProgrammaticServer => self.server.websocket("/programmatic").await,
            Way::AnnotatedClient => {
                let connecting = self.client.connect(&url, OfClient(witness));
                let (peer, connected) = tokio::join!(WebSocket::accept(&self.listener), connecting);
                connected.unwrap();
                peer
            }
            Way::ProgrammaticClient => {
                let connecting = self.client.connect(&url, witness);
                let (peer, connected) = tokio::join!(WebSocket::accept(&self.listener), connecting);
                connected.unwrap();
                peer
            }
        };
        self.expect("opening, open: true").await;
        peer
    }

    /// Opens a session to the end of its `on_open`.
    async fn open(&mut self) -> WebSocket {
        let mut peer = self.begin().await;
        self.let_one_pass();
        self.expect("opened").await;
        assert_eq!(peer.text().await, "first", "{:?}", self.way);
        assert_eq!(peer.text().await, "second", "{:?}", self.way);
        peer
    }

    fn let_one_pass(&self) {
        self.witness.gate.add_permits(1);
    }

    async fn next(&mut self) -> String {
        let next = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        next.expect("nothing was told").unwrap()
    }

    async fn expect(&mut self, told: &str) {
        assert_eq!(self.next().await, told, "{:?}", self.way);
    }

    /// The session that was opened last.
    fn session(&self) -> Session {
        self.witness.sessions.lock().unwrap().last().unwrap().clone()
    }

    /// A frame that the other end sends.
    fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(payload.len()).unwrap();
        match self.way {
            Way::AnnotatedServer | Way::ProgrammaticServer => super::support::frame(first, payload),
            Way::AnnotatedClient | Way::ProgrammaticClient => [&[first, len], payload].concat(),
        }
    }
}

const TEXT: u8 = 0x81;
const TEXT_BEGINS: u8 = 0x01;
const TEXT_ENDS: u8 = 0x80;
pub const PING: u8 = 0x89;

pub async fn expect_pong(peer: &mut WebSocket, payload: &[u8]) {
    match peer.event().await {
        Event::Pong(pong) => assert_eq!(pong, payload),
        other => panic!("expected a pong: {other:?}"),
    }
}

#[tokio::test]
async fn ids_of_sessions_differ_at_the_same_time_and_one_after_the_other() {
    for way in WAYS {
        let mut scene = Scene::new(way).await;
        let mut first = scene.open().await;
        let _second = scene.open().await;
        first.close(CloseCode::NORMAL_CLOSURE.into()).await;
        drop(first);
        scene.expect("closed 1000, open: false, kept").await;
        let _third = scene.open().await;
        let sessions = scene.witness.sessions.lock().unwrap();
        let mut ids: Vec<_> = sessions.iter().map(|session| session.id().to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "{way:?}");
    }
}

#[tokio::test]
async fn a_session_is_open_in_on_open_and_not_after_the_close() {
    for way in WAYS {
        let mut scene = Scene::new(way).await;
        let mut peer = scene.open().await;
        let session = scene.session();
        assert!(session.is_open(), "{way:?}");
        peer.close(CloseCode::NORMAL_CLOSURE.into()).await;
        drop(peer);
        scene.expect("closed 1000, open: false, kept").await;
        assert!(!session.is_open(), "{way:?}");
    }
}

#[tokio::test]
async fn no_message_is_delivered_before_on_open_has_returned() {
    for way in WAYS {
        let mut scene = Scene::new(way).await;
        let mut peer = scene.begin().await;
        let eager = [scene.frame(TEXT, b"eager"), scene.frame(PING, b"read")].concat();
        peer.stream.write_all(&eager).await.unwrap();
        // The message is at the other end, which still waits in `on_open`.
        expect_pong(&mut peer, b"read").await;
        scene.let_one_pass();
        for told in ["opened", "eager begins", "eager ends"] {
            scene.expect(told).await;
        }
        for text in ["first", "second", "eager"] {
            assert_eq!(peer.text().await, text, "{way:?}");
        }
    }
}

#[tokio::test]
async fn the_next_message_waits_until_the_handler_of_the_last_has_returned() {
    for way in WAYS {
        let mut scene = Scene::new(way).await;
        let mut peer = scene.open().await;
        let messages: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
        let frames = messages.iter().map(|text| scene.frame(TEXT, text.as_bytes()));
        let frames = frames.collect::<Vec<_>>().concat();
        peer.stream.write_all(&frames).await.unwrap();
        for text in &messages {
            scene.expect(&format!("{text} begins")).await;
            scene.expect(&format!("{text} ends")).await;
            assert_eq!(peer.text().await, *text, "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_handler_awaits_and_between_the_fragments_of_a_message() {
    for way in WAYS {
        let mut scene = Scene::new(way).await;
        let mut peer = scene.open().await;
        peer.send("slow").await;
        scene.expect("slow begins").await;
        peer.stream.write_all(&scene.frame(PING, b"1")).await.unwrap();
        expect_pong(&mut peer, b"1").await;
        scene.let_one_pass();
        scene.expect("slow ends").await;
        assert_eq!(peer.text().await, "slow", "{way:?}");

        let frames = [scene.frame(TEXT_BEGINS, b"in two "), scene.frame(PING, b"2")].concat();
        peer.stream.write_all(&frames).await.unwrap();
        expect_pong(&mut peer, b"2").await;
        peer.stream.write_all(&scene.frame(TEXT_ENDS, b"parts")).await.unwrap();
        assert_eq!(peer.text().await, "in two parts", "{way:?}");
    }
}

/// How a session ends.
#[derive(Clone, Copy, Debug)]
enum End {
    ByThePeer,
    ByTheEndpoint,
    ByAnotherTask,
    Lost,
    Idle,
}

#[tokio::test]
async fn on_close_is_called_once_however_a_session_ends_and_finds_the_user_properties() {
    for way in WAYS {
        for end in [End::ByThePeer, End::ByTheEndpoint, End::ByAnotherTask, End::Lost, End::Idle] {
            let mut scene = Scene::new(way).await;
            let mut peer = scene.open().await;
            let code = match end {
                End::ByThePeer => {
                    peer.close(CloseCode::GOING_AWAY.into()).await;
                    1001
                }
                End::ByTheEndpoint => {
                    peer.send("close").await;
                    scene.expect("close begins").await;
                    scene.expect("close ends").await;
                    assert_eq!(peer.closed().await.code().as_u16(), 4001, "{way:?}");
                    4001
                }
                End::ByAnotherTask => {
                    let session = scene.session();
                    tokio::spawn(async move { session.close(CloseCode::NORMAL_CLOSURE.into()) });
                    assert_eq!(peer.closed().await.code(), CloseCode::NORMAL_CLOSURE, "{way:?}");
                    1000
                }
                End::Lost => 1006,
                End::Idle => {
                    scene.session().set_idle_timeout(Some(Duration::from_millis(1)));
                    assert_eq!(peer.closed().await.code(), CloseCode::GOING_AWAY, "{way:?}");
                    1006
                }
            };
            drop(peer);
            let expected = format!("closed {code}, open: false, kept");
            assert_eq!(scene.next().await, expected, "{way:?}, {end:?}");
            assert_eq!(told_later(scene).await, None, "{way:?}, {end:?}");
        }
    }
}

/// What is still told when everything that serves the session is gone.
async fn told_later(scene: Scene) -> Option<String> {
    let Scene { witness, mut told, server, client, .. } = scene;
    drop((witness, client));
    server.stop().await.unwrap();
    told.recv().await
}
