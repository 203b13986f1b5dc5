use tidings::endpoint::{Endpoint, EndpointError, Message, Session};

/// Sends every message back.
pub(super) struct Echo;

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
