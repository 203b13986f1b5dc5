//! Handlers that are added to a session while it runs: the programmatic half of Jakarta WebSocket.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_websocket::{CloseReason, MessageKind};

use super::{
    Delivery, EndpointError, Extract, IntoReply, OnMessage, Payload, PayloadKind, Receptions,
    Session,
};
use crate::__private::send_reply;

/// Identifies a handler among those of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandlerId(u64);

/// A handler that was added to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageHandler {
    /// Which it is.
    pub id: HandlerId,
    /// What it is called for.
    pub kind: PayloadKind,
}

/// Why a handler was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddHandlerError {
    /// There is a handler for some of the messages already.
    Duplicate(MessageHandler),
    /// The session is closed, or closing, for this reason.
    Closed(CloseReason),
}

impl fmt::Display for AddHandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(handler) => {
                write!(f, "session has a handler for such messages: {:?}", handler.kind)
            }
            Self::Closed(reason) => write!(f, "session is closed: {reason}"),
        }
    }
}

impl Error for AddHandlerError {}

/// The session has no handler with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownHandler(pub HandlerId);

impl fmt::Display for UnknownHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("session has no such handler")
    }
}

impl Error for UnknownHandler {}

impl Session {
    /// Calls `handler` for the messages that its argument says, instead of the endpoint's `on_message`,
    /// from the next message on: Jakarta WebSocket's `addMessageHandler`. The argument is any that takes a
    /// message in an `#[on_message]` method, and what comes of the call is a reply as there.
    ///
    /// A message in parts is served to its end by the handler that got its beginning.
    ///
    /// ```
    /// use tidings::endpoint::{AddHandlerError, Endpoint, EndpointError, Part, Pong, Session};
    ///
    /// struct Programmatic;
    ///
    /// impl Endpoint for Programmatic {
    ///     async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
    ///         let add = || -> Result<(), AddHandlerError> {
    ///             session.add_message_handler(async |_: Session, text: String| text)?;
    ///             session.add_message_handler(async |_: Session, part: Part<bytes::Bytes>| {
    ///                 println!("{} octets", part.data.len());
    ///             })?;
    ///             session.add_message_handler(async |_: Session, _: Pong| ())?;
    ///             Ok(())
    ///         };
    ///         add().map_err(|error| EndpointError::Handler(error.into()))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AddHandlerError::Duplicate`] when there is a handler for some of the messages already,
    /// [`AddHandlerError::Closed`] when the session is closed or closing.
    pub fn add_message_handler<T, R, F>(
        &self,
        handler: impl Fn(Self, T) -> F + Send + Sync + 'static,
    ) -> Result<HandlerId, AddHandlerError>
    where
        T: for<'a> Extract<OnMessage<'a>> + Send + 'static,
        R: IntoReply,
        F: Future<Output = R> + Send + 'static,
    {
        let kind = const {
            match <T as Extract<OnMessage<'_>>>::PAYLOAD {
                Some(kind) => kind,
                None => panic!("a message handler takes a message"),
            }
        };
        if !self.is_open() {
            return Err(AddHandlerError::Closed(self.link().close_reason()));
        }
        let call = move |session: &Self, payload: Payload| -> Handling {
            let value = T::extract(&mut OnMessage::new(session, payload));
            let (session, called) = (session.clone(), value.map(|it| handler(session.clone(), it)));
            Box::pin(async move {
                let reply = called?.await.into_reply();
                send_reply(&session, reply).await
            })
        };
        self.seldom().change(|receiving| {
            if receiving.is_over {
                return Err(AddHandlerError::Closed(self.link().close_reason()));
            }
            receiving.handlers.add(kind, Arc::new(call))
        })
    }

    /// Takes a handler away: messages of its kind go to the endpoint again, from the next one on.
    ///
    /// # Errors
    ///
    /// [`UnknownHandler`] when the session has no handler with this id.
    pub fn remove_message_handler(&self, id: HandlerId) -> Result<(), UnknownHandler> {
        let removed = self
            .existing_seldom()
            .and_then(|seldom| seldom.change(|receiving| receiving.handlers.remove(id)));
        removed.ok_or(UnknownHandler(id))
    }

    /// The handlers that were added, at this moment.
    pub fn message_handlers(&self) -> Vec<MessageHandler> {
        self.existing_seldom().map(|it| it.receiving().handlers.list()).unwrap_or_default()
    }

    /// The handler for this payload, if one was added.
    #[inline]
    pub(crate) fn added_handler(&self, payload: &Payload) -> Option<Handler> {
        self.existing_seldom()?.receiving().handlers.find(payload)
    }

    /// Whether messages may have to go another way than to the endpoint, as the door gives them.
    #[inline]
    pub(crate) fn receives_its_own_way(&self) -> bool {
        self.existing_seldom().is_some_and(super::seldom::Seldom::receives_its_own_way)
    }

    /// How messages of a kind are delivered, if the endpoint wants them so.
    pub(crate) fn delivery(&self, kind: MessageKind, wanted: &Receptions) -> Delivery {
        let wanted = match wanted.of(kind) {
            Delivery::Whole { octets_max: None } => {
                Delivery::Whole { octets_max: self.config().octets_max(kind) }
            }
            wanted => wanted,
        };
        self.existing_seldom().map_or(wanted, |seldom| seldom.delivery(kind, wanted))
    }

    /// Whether the way in which messages are delivered has changed since the last time.
    #[inline]
    pub(crate) fn take_changed_delivery(&self) -> bool {
        self.existing_seldom().is_some_and(super::seldom::Seldom::take_changed)
    }
}

/// The call of a handler.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Result<(), EndpointError>> + Send>>;

/// A handler of any type.
pub(crate) type Handler = Arc<dyn Fn(&Session, Payload) -> Handling + Send + Sync>;

/// The handlers of one session.
#[derive(Default)]
pub(crate) struct Handlers {
    list: Vec<(MessageHandler, Handler)>,
    /// Of the next one.
    next_id: u64,
}

impl Handlers {
    fn add(&mut self, kind: PayloadKind, handler: Handler) -> Result<HandlerId, AddHandlerError> {
        if let Some((known, _)) = self.list.iter().find(|(known, _)| known.kind.overlaps(kind)) {
            return Err(AddHandlerError::Duplicate(*known));
        }
        let id = HandlerId(self.next_id);
        self.next_id += 1;
        self.list.push((MessageHandler { id, kind }, handler));
        Ok(id)
    }

    fn remove(&mut self, id: HandlerId) -> Option<()> {
        let index = self.list.iter().position(|(known, _)| known.id == id)?;
        self.list.remove(index);
        Some(())
    }

    fn list(&self) -> Vec<MessageHandler> {
        self.list.iter().map(|(handler, _)| *handler).collect()
    }

    fn find(&self, payload: &Payload) -> Option<Handler> {
        let found = self.list.iter().find(|(known, _)| known.kind.takes(payload));
        found.map(|(_, handler)| Arc::clone(handler))
    }

    /// How messages of a kind are to be delivered, if there is a handler for them.
    pub(super) fn delivery(&self, kind: MessageKind) -> Option<Delivery> {
        let native = match kind {
            MessageKind::Text => PayloadKind::Text,
            MessageKind::Binary => PayloadKind::Binary,
        };
        let (known, _) = self.list.iter().find(|(known, _)| known.kind.overlaps(native))?;
        Some(PayloadKind::receptions(&[(known.kind, None)]).of(kind))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
