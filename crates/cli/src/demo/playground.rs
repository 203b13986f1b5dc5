use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Message, Session,
};
use tidings::server_endpoint;

/// The endpoint that the playground page opens, annotated.
pub(super) struct Playground;

#[server_endpoint("/websocket/{user_id}")]
impl Playground {
    #[on_open]
    async fn opened(&mut self, #[path_param] user_id: u64, session: &Session) -> String {
        welcome(user_id, session)
    }

    #[on_message]
    async fn text(
        &mut self,
        #[path_param] user_id: u64,
        session: &Session,
        text: String,
    ) -> Result<(), BoxError> {
        obey(user_id, session, &text)
    }

    #[on_message]
    async fn binary(&mut self, octets: Vec<u8>) -> Vec<u8> {
        octets
    }

    #[on_close]
    async fn closed(&mut self, #[path_param] user_id: u64, reason: &CloseReason) {
        tracing::debug!(user_id, %reason, "playground session closed");
    }

    #[on_error]
    async fn failed(&mut self, session: &Session, error: EndpointError) {
        let _ = session.send(format!("error: {error}")).await;
    }
}

/// The same endpoint, programmatic.
#[derive(Default)]
pub(super) struct Programmatic {
    user_id: u64,
}

impl Endpoint for Programmatic {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.user_id = session.path_params().parse("user_id")?;
        session.send(welcome(self.user_id, session)).await?;
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        match message {
            Message::Text(text) => {
                obey(self.user_id, session, &text).map_err(EndpointError::Handler)
            }
            Message::Binary(octets) => Ok(session.send(octets).await?),
        }
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let reason = &info.reason;
        tracing::debug!(user_id = self.user_id, %reason, "playground session closed");
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        let _ = session.send(format!("error: {error}")).await;
        Flow::Continue
    }
}

fn welcome(user_id: u64, session: &Session) -> String {
    format!("Welcome, user {user_id}. Open sessions: {}.", session.peers().len())
}

/// `close CODE REASON` closes, `fail` fails, anything else goes to everybody.
fn obey(user_id: u64, session: &Session, text: &str) -> Result<(), BoxError> {
    if text == "fail" {
        return Err("failed, as you asked".into());
    }
    if let Some(reason) = text.strip_prefix("close ").and_then(parse_close) {
        session.close(reason);
    } else {
        session.peers().broadcast(format!("user {user_id}: {text}"));
    }
    Ok(())
}

fn parse_close(text: &str) -> Option<CloseReason> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let code = CloseCode::new(code.parse().ok()?).ok().filter(|code| code.is_sendable())?;
    CloseReason::new(code, reason).ok()
}
