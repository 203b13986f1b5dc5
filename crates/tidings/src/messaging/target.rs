use super::recipient::Recipient;
use super::{MessageParts, Outgoing, Payload};

/// Where the reply of a handler goes that does not say so itself.
#[derive(Clone, Debug)]
pub struct Target {
    /// Empty of the subscription that is answered.
    destination: String,
    recipient: Option<Recipient>,
}

impl Target {
    /// A destination of the broker.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: destination.into(), recipient: None }
    }

    /// The subscription that is answered.
    #[must_use]
    pub fn subscription() -> Self {
        Self::to("")
    }

    /// All sessions of the user who has sent the message that have subscribed to `path` behind the user prefix. If it
    /// is nobody, the session.
    pub fn to_user(message: &MessageParts, path: impl Into<String>) -> Self {
        match message.session.user_name() {
            Some(user) => Self { recipient: Some(Recipient::User(user)), ..Self::to(path) },
            None => Self::to_session(message, path),
        }
    }

    /// The session that has sent the message, if it has subscribed to `path` behind the user prefix.
    pub fn to_session(message: &MessageParts, path: impl Into<String>) -> Self {
        Self { recipient: Some(Recipient::Session(message.session.id())), ..Self::to(path) }
    }

    /// The payload as a message to there.
    pub(super) fn addressed(&self, payload: &Payload) -> Outgoing {
        let outgoing = Outgoing::with_payload(self.destination.clone(), payload);
        match &self.recipient {
            None => outgoing,
            Some(recipient) => outgoing.only_for(recipient.clone()),
        }
    }
}
