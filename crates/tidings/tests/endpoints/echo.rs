//! The endpoint that most scenarios do with: hands over its session, echoes, tells its end.

use tidings::endpoint::{CloseInfo, ConnectionOptions, Endpoint, EndpointError, Message, Session};

use super::ways::{Scene, Teller, annotated, in_every_way_with};

pub fn tell_end(teller: &Teller, info: &CloseInfo) {
    let CloseInfo { reason, initiator, clean, .. } = info;
    teller.tell(format!("{reason} {initiator:?}, clean: {clean}"));
}

annotated!(EchoOfServer, EchoOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_message]
    fn said(&self, message: Message) -> Message {
        message
    }

    #[on_close]
    fn closed(&self, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
);

pub struct Echo(pub Teller);

impl Endpoint for Echo {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
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

pub fn annotated_echo(teller: Teller) -> impl Endpoint {
    EchoOfServer(teller)
}

/// Plays a scenario with the session of each of the four.
pub async fn in_every_session(options: ConnectionOptions, scenario: impl AsyncFn(Scene, Session)) {
    in_every_way_with(&options, EchoOfServer, EchoOfClient, Echo, async |mut scene| {
        let session = scene.session().await;
        scenario(scene, session).await;
    })
    .await;
}
