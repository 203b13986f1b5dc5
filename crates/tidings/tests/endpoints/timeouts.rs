//! Sessions that end because time passes: idle ones, those whose login is over, those whose peer does not
//! answer.

use std::time::{Duration, Instant};

use tidings::App;
use tidings::endpoint::{
    CloseCode, CloseInfo, Configurator, ConnectionOptions, Endpoint, EndpointConfig, EndpointError,
    Handshake, HandshakeResponse, Message, Principal, Reject, Session,
};
use tokio::io::AsyncReadExt;

use super::echo::{Echo, annotated_echo, in_every_session, tell_end};
use super::support::serve;
use super::ways::{Ears, Scene, Teller};

const TICK: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn idle_timeout(timeout: Option<Duration>) -> ConnectionOptions {
    ConnectionOptions { idle_timeout: timeout, ..ConnectionOptions::default() }
}

async fn expect_idle_end(mut scene: Scene) {
    assert_eq!(scene.peer.closed().await.code(), CloseCode::GOING_AWAY, "{:?}", scene.way);
    scene.expect_told("1006 (idle timeout) Timeout, clean: true").await;
}

#[tokio::test]
async fn an_idle_session_ends_with_1006_and_its_peer_sees_1001() {
    in_every_session(idle_timeout(Some(TICK)), async |scene, session| {
        assert_eq!(session.idle_timeout(), Some(TICK));
        expect_idle_end(scene).await;
    })
    .await;
}

#[tokio::test]
async fn a_session_may_change_its_idle_timeout() {
    in_every_session(idle_timeout(Some(HOUR)), async |scene, session| {
        assert_eq!(session.idle_timeout(), Some(HOUR));
        session.set_idle_timeout(Some(TICK));
        assert_eq!(session.idle_timeout(), Some(TICK));
        expect_idle_end(scene).await;
    })
    .await;
    in_every_session(ConnectionOptions::default(), async |scene, session| {
        assert_eq!(session.idle_timeout(), None);
        session.set_idle_timeout(Some(HOUR));
        assert_eq!(session.idle_timeout(), Some(HOUR));
        for never in [None, Some(Duration::ZERO)] {
            session.set_idle_timeout(never);
            assert_eq!(session.idle_timeout(), None);
        }
        drop(scene);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_does_not_answer_the_close_frame_is_left_after_the_close_timeout() {
    let options = ConnectionOptions { close_timeout: TICK, ..ConnectionOptions::default() };
    in_every_session(options, async |mut scene, session| {
        session.close(CloseCode::GOING_AWAY.into());
        scene.expect_told("1001 Local, clean: false").await;
        let mut rest = Vec::new();
        // It ends, or is reset: either way there is no more.
        let _ = scene.peer.stream.read_to_end(&mut rest).await;
        assert_eq!(rest.first(), Some(&0x88), "{:?}", scene.way);
    })
    .await;
}

#[tokio::test]
async fn a_session_whose_login_expires_is_closed_with_1008() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        session.expire_at(Instant::now() + HOUR);
        scene.peer.send("still here").await;
        scene.expect_text("still here").await;
        session.expire_at(Instant::now());
        let way = scene.way;
        assert_eq!(scene.peer.closed().await.code(), CloseCode::POLICY_VIOLATION, "{way:?}");
        scene.expect_told("1008 (login has expired) Local, clean: true").await;
    })
    .await;
}

/// Lets everybody in, for an hour, or no longer than the handshake takes.
struct Gate;

impl Configurator for Gate {
    async fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        let now = Instant::now();
        // What has expired by now is not let in.
        let short = Duration::from_secs(1);
        let expires_at = now + if handshake.query() == Some("long") { HOUR } else { short };
        response.set_principal(Principal::new("ann").expiring_at(expires_at));
        Ok(())
    }
}

/// Prolongs the login, as someone who had looked it up again would.
struct Prolongs(Teller);

impl Endpoint for Prolongs {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        session.expire_at(Instant::now() + HOUR);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
}

#[tokio::test]
async fn a_principal_may_say_when_its_login_expires() {
    let (teller, mut ears): (Teller, Ears) = Teller::new();
    let (annotated, programmatic) = (teller.clone(), teller.clone());
    let config = EndpointConfig::new().configurator(Gate);
    let app = App::builder()
        .endpoint_at_with("/annotated", config.clone(), move |_| annotated_echo(annotated.clone()))
        .endpoint_at_with("/programmatic", config.clone(), move |_| Echo(programmatic.clone()))
        .endpoint_at_with("/prolonged", config, move |_| Prolongs(teller.clone()));
    let server = serve(app.build().unwrap()).await;
    for path in ["/annotated", "/programmatic"] {
        let mut client = server.websocket(path).await;
        assert_eq!(client.closed().await.code(), CloseCode::POLICY_VIOLATION, "{path}");
        assert_eq!(ears.told().await, "1008 (login has expired) Local, clean: true", "{path}");
    }
    for path in ["/annotated?long", "/programmatic?long", "/prolonged"] {
        let mut client = server.websocket(path).await;
        client.send("still here").await;
        assert_eq!(client.text().await, "still here", "{path}");
    }
}
