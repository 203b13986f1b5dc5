//! Arguments come in any order, methods may be sync or async, and all are optional.

use bytes::Bytes;
use tidings::endpoint::{BoxError, CloseReason, EndpointError, Flow, Handshake, Session};
use tidings::{App, server_endpoint};

struct Chat;

#[server_endpoint("/chat/{room}/{user_id}", subprotocols = ["chat.v2", "chat.v1"])]
impl Chat {
    #[on_open]
    fn opened(&self, handshake: &Handshake, #[path_param] room: String, session: &Session) {
        let _ = (handshake, room, session);
    }

    #[on_message]
    async fn text(
        &mut self,
        text: &str,
        #[path_param] user_id: u64,
        #[path_param] unknown: Option<u8>,
        session: Session,
    ) -> Result<Option<String>, BoxError> {
        let _ = (user_id, unknown, session);
        Ok(Some(text.to_owned()))
    }

    #[on_message]
    fn binary(&self, octets: Bytes) -> Bytes {
        octets
    }

    #[on_close]
    async fn closed(&mut self, reason: CloseReason, #[path_param] room: Option<String>) {
        let _ = (reason, room);
    }

    #[on_error]
    async fn failed(&mut self, session: &Session, error: &EndpointError) -> Flow {
        let _ = (session, error);
        Flow::Continue
    }

    fn no_handler(&self) {}
}

struct Silent;

#[server_endpoint("/")]
impl Silent {}

fn main() {
    Chat.no_handler();
    App::builder().endpoint(|| Chat).endpoint(|| Silent).build().unwrap();
}
