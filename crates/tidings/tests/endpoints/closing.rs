//! How sessions end: by either side, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use tidings::App;
use tidings::client::Client;
use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Message, Session,
};
use tidings::server::{Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::support::{WebSocket, serve};
use super::ways::{Scene, Teller, annotated, in_every_way};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;

fn code(code: u16) -> CloseReason {
    CloseReason::from_code(CloseCode::new(code).unwrap())
}

/// Closes where it is told to, the second time in vain.
fn close(session: &Session) {
    session.close(CloseReason::truncated(CloseCode::new(4001).unwrap(), "bye"));
    session.close(code(4002));
}

fn act(session: &Session, text: &str) -> Result<(), BoxError> {
    match text {
        "close" => close(session),
        "fail" => return Err("as told".into()),
        _ => {}
    }
    Ok(())
}

fn tell_end(teller: &Teller, session: &Session, info: &CloseInfo) {
    let CloseInfo { reason, initiator, clean, .. } = info;
    teller.tell(format!("{reason} {initiator:?}, clean: {clean}, open: {}", session.is_open()));
}

annotated!(ClosesOfServer, ClosesOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_message]
    fn said(&self, text: &str, session: &Session) -> Result<(), BoxError> {
        self.0.tell(text);
        act(session, text)
    }

    #[on_error]
    fn failed(&self, session: &Session, _: EndpointError) {
        close(session);
    }

    #[on_close]
    fn closed(&self, session: &Session, info: &CloseInfo) {
        tell_end(&self.0, session, info);
    }
);

struct Closes(Teller);

impl Endpoint for Closes {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        self.0.tell(&text);
        act(session, &text).map_err(EndpointError::Handler)
    }

    async fn on_error(&mut self, _: &Session, _: EndpointError) -> Flow {
        Flow::Close(CloseReason::truncated(CloseCode::new(4001).unwrap(), "bye"))
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        tell_end(&self.0, session, info);
    }
}

/// Plays a scenario with the session of each of the four.
async fn in_every_session(scenario: impl AsyncFn(Scene, Session)) {
    in_every_way(ClosesOfServer, ClosesOfClient, Closes, async |mut scene| {
        let session = scene.session().await;
        scenario(scene, session).await;
    })
    .await;
}

#[tokio::test]
async fn the_peer_closes_and_both_ends_know_its_code_and_reason() {
    in_every_session(async |mut scene, session| {
        let reason = CloseReason::new(CloseCode::MESSAGE_TOO_BIG, "now").unwrap();
        scene.peer.close(reason).await;
        scene.expect_told("1009 (now) Remote, clean: true, open: false").await;
        assert!(!session.is_open());
    })
    .await;
}

#[tokio::test]
async fn a_close_frame_without_a_code_is_1005() {
    in_every_session(async |mut scene, _session| {
        scene.write_frame(CLOSE, b"").await;
        scene.expect_told("1005 Remote, clean: true, open: false").await;
        assert_eq!(scene.peer.closed().await, code(1005));
    })
    .await;
}

#[tokio::test]
async fn this_end_closes_and_the_peer_knows_the_code_and_reason() {
    in_every_session(async |mut scene, session| {
        session.close(CloseReason::new(CloseCode::MESSAGE_TOO_BIG, "now").unwrap());
        assert!(!session.is_open());
        let way = scene.way;
        let reason = scene.peer.closed().await;
        assert_eq!((reason.code().as_u16(), reason.reason()), (1009, "now"), "{way:?}");
        scene.expect_told("1009 (now) Local, clean: true, open: false").await;
    })
    .await;
}

#[tokio::test]
async fn codes_that_may_not_be_sent_are_not() {
    for unsent in [CloseCode::NO_STATUS_RECEIVED, CloseCode::ABNORMAL_CLOSURE] {
        in_every_session(async |mut scene, session| {
            session.close(unsent.into());
            assert_eq!(scene.peer.closed().await, code(1005), "{:?}", scene.way);
        })
        .await;
    }
}

#[tokio::test]
async fn the_first_of_several_closes_counts_and_on_close_is_called_once() {
    in_every_session(async |mut scene, session| {
        close(&session);
        close(&session);
        let way = scene.way;
        assert_eq!(scene.peer.closed().await.code().as_u16(), 4001, "{way:?}");
        session.close(code(4003));
        let told = scene.told_to_the_end().await;
        assert_eq!(told, ["4001 (bye) Local, clean: true, open: false"], "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn a_session_is_closed_from_a_message_an_error_or_another_task() {
    for from in ["close", "fail", "another task"] {
        in_every_session(async |mut scene, session| {
            if from == "another task" {
                tokio::spawn(async move { close(&session) }).await.unwrap();
            } else {
                scene.peer.send(from).await;
                scene.expect_told(from).await;
            }
            let reason = scene.peer.closed().await;
            assert_eq!((reason.code().as_u16(), reason.reason()), (4001, "bye"), "{from}");
            scene.expect_told("4001 (bye) Local, clean: true, open: false").await;
        })
        .await;
    }
}

annotated!(AtOnceOfServer, AtOnceOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        close(session);
    }

    #[on_message]
    fn said(&self, text: &str) {
        self.0.tell(text);
    }

    #[on_close]
    fn closed(&self, session: &Session, info: &CloseInfo) {
        tell_end(&self.0, session, info);
    }
);

struct AtOnce(Teller);

impl Endpoint for AtOnce {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        close(session);
        Ok(())
    }

    async fn on_message(&mut self, _: &Session, _: Message) -> Result<(), EndpointError> {
        self.0.tell("a message");
        Ok(())
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        tell_end(&self.0, session, info);
    }
}

#[tokio::test]
async fn a_session_is_closed_from_on_open() {
    in_every_way(AtOnceOfServer, AtOnceOfClient, AtOnce, async |mut scene| {
        assert_eq!(scene.peer.closed().await.code().as_u16(), 4001, "{:?}", scene.way);
        scene.expect_told("4001 (bye) Local, clean: true, open: false").await;
    })
    .await;
}

/// Reads a close frame, and does not answer it.
async fn read_close_frame(scene: &mut Scene) {
    let mut header = [0; 2];
    scene.peer.stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[0], CLOSE, "{:?}", scene.way);
    let masking_key = if header[1] & 0x80 == 0 { 0 } else { 4 };
    let mut rest = vec![0; usize::from(header[1] & 0x7f) + masking_key];
    scene.peer.stream.read_exact(&mut rest).await.unwrap();
}

#[tokio::test]
async fn the_close_frame_is_written_before_on_close_is_called() {
    in_every_session(async |mut scene, session| {
        close(&session);
        read_close_frame(&mut scene).await;
        assert!(scene.ears.are_idle(), "{:?}", scene.way);
        scene.write_frame(CLOSE, &4001_u16.to_be_bytes()).await;
        scene.expect_told("4001 (bye) Local, clean: true, open: false").await;
    })
    .await;
}

#[tokio::test]
async fn what_comes_after_the_close_frame_of_this_end_is_read_and_not_delivered() {
    in_every_session(async |mut scene, session| {
        close(&session);
        read_close_frame(&mut scene).await;
        scene.write_frame(TEXT, b"late").await;
        scene.write_frame(CLOSE, &4001_u16.to_be_bytes()).await;
        let way = scene.way;
        let told = scene.told_to_the_end().await;
        assert_eq!(told, ["4001 (bye) Local, clean: true, open: false"], "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn what_comes_after_the_close_frame_of_the_peer_is_ignored() {
    in_every_session(async |mut scene, _session| {
        let frames = [(TEXT, &b"in time"[..]), (CLOSE, b"\x03\xe8"), (TEXT, b"late")];
        let frames = frames.map(|(first, payload)| scene.frame(first, payload)).concat();
        scene.peer.stream.write_all(&frames).await.unwrap();
        scene.expect_told("in time").await;
        scene.expect_told("1000 Remote, clean: true, open: false").await;
        assert!(scene.told_to_the_end().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_vanishes_ends_the_session_with_1006() {
    in_every_session(async |scene, session| {
        let Scene { way, peer, mut ears, .. } = scene;
        drop(peer);
        let told = ears.told().await;
        assert_eq!(told, "1006 Transport, clean: false, open: false", "{way:?}");
        assert!(!session.is_open());
    })
    .await;
}

#[tokio::test]
async fn what_comes_after_a_close_of_this_end_is_not_delivered_although_the_peer_is_gone() {
    for last in ["close", "fail"] {
        in_every_session(async |scene, session| {
            let frames = [last, "late"].map(|text| scene.frame(TEXT, text.as_bytes())).concat();
            let Scene { way, peer, mut ears, .. } = scene;
            // Nothing waits until the session has learned, by writing, that its peer is gone.
            assert_eq!(peer.stream.try_write(&frames).unwrap(), frames.len());
            peer.stream.set_zero_linger().unwrap();
            drop(peer);
            let _ = session.try_send("for nobody");
            assert_eq!(ears.told().await, last, "{way:?}");
            let told = ears.told().await;
            assert_eq!(told, "4001 (bye) Local, clean: false, open: false", "{way:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_close_frame_that_cannot_be_answered_is_told_all_the_same() {
    in_every_session(async |scene, session| {
        let frames = [scene.frame(TEXT, b"last"), scene.frame(CLOSE, b"\x03\xe8")].concat();
        let Scene { way, peer, mut ears, .. } = scene;
        assert_eq!(peer.stream.try_write(&frames).unwrap(), frames.len());
        peer.stream.set_zero_linger().unwrap();
        drop(peer);
        let _ = session.try_send("for nobody");
        assert_eq!(ears.told().await, "last", "{way:?}");
        assert_eq!(ears.told().await, "1000 Remote, clean: false, open: false", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn two_endpoints_of_ours_tell_the_same_of_a_close() {
    for closes in ["the client", "the server"] {
        let (of_server, mut server_told) = Teller::new();
        let (of_client, mut client_told) = Teller::new();
        let app = App::builder().endpoint(move || ClosesOfServer(of_server.clone()));
        let server = serve(app.build().unwrap()).await;
        let url = format!("ws://{}/", server.http);
        let session = Client::default().connect(&url, ClosesOfClient(of_client)).await.unwrap();
        let of_server = server_told.session().await;
        let ends = match closes {
            "the client" => {
                session.close(code(1000));
                ["1000 Local", "1000 Remote"]
            }
            _ => {
                of_server.close(code(1000));
                ["1000 Remote", "1000 Local"]
            }
        };
        let [by_client, by_server] = ends.map(|end| format!("{end}, clean: true, open: false"));
        assert_eq!(client_told.told().await, by_client);
        assert_eq!(server_told.told().await, by_server);
        assert!(!session.is_open() && !of_server.is_open());
    }
}

/// Takes its time to say goodbye.
struct Lingers(Teller, Arc<Semaphore>);

#[tidings::server_endpoint("/annotated")]
impl Lingers {
    #[on_open]
    fn opened(&self) {
        self.0.tell("open");
    }

    #[on_close]
    async fn closed(&self, reason: &CloseReason) {
        self.0.tell(reason.code());
        self.1.acquire().await.unwrap().forget();
        self.0.tell("gone");
    }
}

/// The same, programmatic.
struct PlainLingers(Lingers);

#[tokio::test]
async fn an_on_close_may_wait_although_the_peer_is_gone() {
    for goodbye in [&[][..], &[CLOSE, 0x82, 0, 0, 0, 0, 0x03, 0xe8]] {
        let (teller, mut ears) = Teller::new();
        let may_go = Arc::new(Semaphore::new(0));
        let lingers = {
            let may_go = Arc::clone(&may_go);
            move || Lingers(teller.clone(), Arc::clone(&may_go))
        };
        let plain = lingers.clone();
        let app = App::builder()
            .endpoint(lingers)
            .endpoint_at("/programmatic", move || PlainLingers(plain()));
        let server = serve(app.build().unwrap()).await;
        for path in ["/annotated", "/programmatic"] {
            let mut client = server.websocket(path).await;
            assert_eq!(ears.told().await, "open");
            client.stream.write_all(goodbye).await.unwrap();
            drop(client);
            let code = if goodbye.is_empty() { "1006" } else { "1000" };
            assert_eq!(ears.told().await, code, "{path}");
            // Whoever is served by the same thread goes on.
            drop(server.websocket(path).await);
            assert_eq!(ears.told().await, "open");
            assert_eq!(ears.told().await, "1006");
            may_go.add_permits(2);
            assert_eq!([ears.told().await, ears.told().await], ["gone", "gone"]);
        }
    }
}

impl Endpoint for PlainLingers {
    async fn on_open(&mut self, _: &Session) -> Result<(), EndpointError> {
        self.0.0.tell("open");
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        self.0.closed(&info.reason).await;
    }
}

#[tokio::test]
async fn a_shutdown_tells_1001_and_waits_for_on_close() {
    for path in ["/annotated", "/programmatic"] {
        let ((teller, mut ears), gate) = (Teller::new(), Arc::new(Semaphore::new(0)));
        let lingers = {
            let gate = Arc::clone(&gate);
            move || Lingers(teller.clone(), Arc::clone(&gate))
        };
        let app = App::builder()
            .endpoint(lingers.clone())
            .endpoint_at("/programmatic", move || PlainLingers(lingers()));
        let server = serve(app.build().unwrap()).await;
        let mut client = server.websocket(path).await;
        assert_eq!(ears.told().await, "open");
        let stopped = server.stop();
        assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
        assert_eq!(ears.told().await, "1001");
        assert!(!stopped.is_finished(), "{path}");
        gate.add_permits(1);
        stopped.await.unwrap();
        assert_eq!(ears.told().await, "gone");
    }
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_an_on_close_that_does_not_return() {
    let ((teller, mut ears), gate) = (Teller::new(), Arc::new(Semaphore::new(0)));
    let app = App::builder().endpoint(move || Lingers(teller.clone(), Arc::clone(&gate)));
    let options =
        ServerOptions { shutdown_timeout: Duration::from_millis(10), ..Default::default() };
    let server = Server::new(app.build().unwrap()).options(options);
    let server = server.listen("127.0.0.1:0").await.unwrap();
    let addr = server.http_addrs()[0];
    let (stop, told_to_stop) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.run_until(async { told_to_stop.await.unwrap() }));
    let mut client = WebSocket::connect(addr, "/annotated", "").await.unwrap();
    assert_eq!(ears.told().await, "open");
    stop.send(()).unwrap();
    assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY);
    assert_eq!(ears.told().await, "1001");
    served.await.unwrap();
}
