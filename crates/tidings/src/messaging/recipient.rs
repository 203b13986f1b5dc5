use super::{HandlerError, IntoPayload, Outgoing};
use crate::endpoint::SessionId;

/// To whom a message goes, where that is not all who have subscribed to a destination.
#[derive(Clone, Debug)]
pub(super) enum Recipient {
    /// The sessions of a user.
    User(Box<str>),
    Session(SessionId),
}

impl Outgoing {
    /// A message with this payload for the sessions of a user: those that have subscribed to `path` behind the
    /// [user prefix](crate::AppBuilder::user_prefix), such as `/queue/NAME`. A session without a user is that of
    /// the user whose name is its id.
    ///
    /// ```
    /// use tidings::controller;
    /// use tidings::messaging::{HandlerError, Outgoing};
    ///
    /// struct Chat;
    ///
    /// #[controller("/chat")]
    /// impl Chat {
    ///     #[message_mapping("/whisper/{to}")]
    ///     fn whisper(
    ///         &self,
    ///         #[destination_variable] to: String,
    ///         text: String,
    ///     ) -> Result<Outgoing, HandlerError> {
    ///         Ok(Outgoing::to_user(&to, "/queue/whispers", text)?.header("importance", "low"))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded.
    pub fn to_user(
        user: &str,
        path: impl Into<String>,
        payload: impl IntoPayload,
    ) -> Result<Self, HandlerError> {
        Self::to(path, payload).map(|message| message.only_for(Recipient::User(user.into())))
    }

    /// The same for one session, whoever its user is.
    ///
    /// # Errors
    ///
    /// When the payload cannot be encoded.
    pub fn to_session(
        session: SessionId,
        path: impl Into<String>,
        payload: impl IntoPayload,
    ) -> Result<Self, HandlerError> {
        Self::to(path, payload).map(|message| message.only_for(Recipient::Session(session)))
    }

    pub(super) fn only_for(self, recipient: Recipient) -> Self {
        Self { recipient: Some(Box::new(recipient)), ..self }
    }
}
