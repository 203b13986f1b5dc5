use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tidings_broker::Message;
use tidings_stomp::{Command, Error, ErrorFrames, Headers};

use crate::endpoint::Session;

/// Sees the frames of STOMP's clients before anything is done of them, and the messages to them before they leave:
/// Spring's `ChannelInterceptor`.
///
/// Several are asked in the order in which they were added. A session's frames are asked about one after the other, so
/// their order stays as it is, whatever an interceptor waits for.
///
/// ```
/// use tidings::App;
/// use tidings::endpoint::Session;
/// use tidings::messaging::{
///     InboundFrame, Interceptor, OutboundMessage, OutboundScope, StompError, Verdict,
/// };
///
/// struct Stamps;
///
/// impl Interceptor for Stamps {
///     async fn inbound(
///         &self,
///         frame: &mut InboundFrame,
///         session: &Session,
///     ) -> Result<Verdict, StompError> {
///         if frame.headers.get("from").is_some() {
///             return Err(StompError::new("header refused", "The server says who it is from."));
///         }
///         if let Some(user) = session.principal() {
///             frame.headers.push("from", user.name());
///         }
///         Ok(Verdict::Pass)
///     }
///
///     fn outbound_scope(&self) -> OutboundScope {
///         OutboundScope::EachMessage
///     }
///
///     fn outbound(&self, message: &mut OutboundMessage, _: Option<&Session>) -> Verdict {
///         message.headers.push("by", "stamps");
///         Verdict::Pass
///     }
/// }
///
/// let app = App::builder().stomp("/stomp").interceptor(Stamps).build()?;
/// # let _ = app;
/// # Ok::<(), tidings::BuildError>(())
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// A client has sent a frame. Its headers and its body may be changed; where it goes may not.
    ///
    /// CONNECT comes before anybody is asked who the client is, all others before the [rules](crate::AppBuilder::rules) are
    /// asked. The frames of a transaction come when it is committed, COMMIT being the last. DISCONNECT comes
    /// exactly once for each session that was connected, also if its connection is lost; after 5 s nobody waits for the answer
    /// any more. All others it has [30 s](crate::server::StompOptions::interceptor_timeout) for, in which nothing more is read from
    /// the client; then they are refused, but UNSUBSCRIBE, which is done. There are no BEGIN, no ABORT and no heart-beats. If the server ends the session meanwhile, nothing is done of
    /// the frame.
    ///
    /// # Errors
    ///
    /// The client is answered with this ERROR, which ends its session, unless
    /// [errors keep it](crate::server::StompOptions::error_keeps_connection). That an UNSUBSCRIBE or a DISCONNECT is refused
    /// or dropped changes nothing.
    fn inbound(
        &self,
        frame: &mut InboundFrame,
        session: &Session,
    ) -> impl Future<Output = Result<Verdict, Error>> + Send {
        let _ = (frame, session);
        async { Ok(Verdict::Pass) }
    }

    /// Which messages to clients it wants to see. Default: none, which costs nothing.
    fn outbound_scope(&self) -> OutboundScope {
        OutboundScope::Nothing
    }

    /// A message is going to clients: to the one of this session, or to all that get it. It is asked while the message
    /// is being sent, so it must be quick, and must not send anything itself. If it panics, the message is
    /// dropped.
    ///
    /// A message of a queue that is dropped here counts as delivered: with `ack:auto` it is gone, otherwise it is the
    /// consumer's until that is gone.
    fn outbound(&self, message: &mut OutboundMessage, session: Option<&Session>) -> Verdict {
        let _ = (message, session);
        Verdict::Pass
    }

    /// A client is going to be told by ERROR what went wrong, or why its session or a subscription ends. What happens then
    /// stays the same. It is asked while that happens, so it must be quick, and must not send or end anything itself. One that
    /// panics has changed nothing.
    fn error(&self, error: &mut Error) {
        let _ = error;
    }
}

/// What an interceptor makes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// Nothing is done of it. A receipt that it asked for is given. A COMMIT takes its transaction with it, whose receipts are
    /// given, too.
    Drop,
}

/// Which messages to clients an interceptor wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutboundScope {
    /// None.
    #[default]
    Nothing,
    /// Each message once, before it is encoded for all who get it. (Each delivery from a queue or a history is one.)
    EachMessage,
    /// Each message for each session that gets it. It is then encoded for each, which costs as much as it says.
    EachSession,
}

/// A frame of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InboundFrame {
    /// What it asks for.
    pub command: Command,
    /// Where it goes, if it says so. Changes are without effect.
    pub destination: Option<Arc<str>>,
    /// Its headers, as far as they are not the protocol's own. ACK, NACK, COMMIT and DISCONNECT have none.
    pub headers: Headers,
    /// Its body. Only SEND has one.
    pub body: Bytes,
}

/// A message to clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundMessage {
    /// Where it was sent to. Changes are without effect.
    pub destination: Arc<str>,
    /// Its headers, but for those that the protocol gives.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

impl InboundFrame {
    pub(crate) fn new(command: Command) -> Self {
        Self { command, destination: None, headers: Headers::default(), body: Bytes::new() }
    }
}

/// An interceptor whose type is forgotten.
pub(crate) trait AnyInterceptor: Send + Sync {
    fn inbound_boxed<'a>(&'a self, frame: &'a mut InboundFrame, session: &'a Session)
    -> Asking<'a>;
    fn scope(&self) -> OutboundScope;
    fn outbound_any(&self, message: &mut OutboundMessage, session: Option<&Session>) -> Verdict;
    fn error_any(&self, error: &mut Error);
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Verdict, Error>> + Send + 'a>>;

impl<I: Interceptor> AnyInterceptor for I {
    fn inbound_boxed<'a>(
        &'a self,
        frame: &'a mut InboundFrame,
        session: &'a Session,
    ) -> Asking<'a> {
        Box::pin(self.inbound(frame, session))
    }

    fn scope(&self) -> OutboundScope {
        self.outbound_scope()
    }

    fn outbound_any(&self, message: &mut OutboundMessage, session: Option<&Session>) -> Verdict {
        self.outbound(message, session)
    }

    fn error_any(&self, error: &mut Error) {
        self.error(error);
    }
}

/// The interceptors of an application, in their order.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(Arc<[Arc<dyn AnyInterceptor>]>);

impl Interceptors {
    pub(crate) fn new(interceptors: Vec<Arc<dyn AnyInterceptor>>) -> Self {
        Self(interceptors.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has all of them see a frame, until one does not pass it on. One that panics refuses it.
    pub(crate) async fn inbound(
        &self,
        frame: &mut InboundFrame,
        session: &Session,
    ) -> Result<Verdict, Error> {
        for interceptor in &*self.0 {
            let seen = AssertUnwindSafe(interceptor.inbound_boxed(frame, session));
            let verdict = seen.catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(session = %session.log_id(), "interceptor panicked");
                Err(Error::new("interceptor failed", "The log of the application says why."))
            })?;
            if verdict == Verdict::Drop {
                return Ok(Verdict::Drop);
            }
        }
        Ok(Verdict::Pass)
    }

    /// Who has the last word on what clients are told by ERROR.
    pub(crate) fn errors(&self) -> ErrorFrames {
        if self.is_empty() {
            return ErrorFrames::default();
        }
        let interceptors = self.clone();
        ErrorFrames::changed_by(move |error| interceptors.change(error))
    }

    /// Has all of them change an ERROR. One that panics has changed nothing.
    fn change(&self, error: &mut Error) {
        for interceptor in &*self.0 {
            let mut changed = error.clone();
            let change = || interceptor.error_any(&mut changed);
            match catch_unwind(AssertUnwindSafe(change)) {
                Ok(()) => *error = changed,
                Err(_) => {
                    tracing::error!("an interceptor panicked at an ERROR, which is told unchanged")
                }
            }
        }
    }

    /// Those who want to see messages to clients, if any do.
    pub(crate) fn outbound(&self) -> Option<Outbound> {
        let of = |scope| {
            let wants = self.0.iter().filter(|it| it.scope() == scope);
            wants.cloned().collect::<Box<[_]>>()
        };
        let outbound = Outbound {
            of_messages: of(OutboundScope::EachMessage),
            of_sessions: of(OutboundScope::EachSession),
        };
        let is_any = !outbound.of_messages.is_empty() || !outbound.of_sessions.is_empty();
        is_any.then_some(outbound)
    }
}

/// The last message that was for all, and what is left of it: a topic and each pattern have subscribers of their own,
/// for whom nobody is asked again.
#[derive(Default)]
pub(crate) struct LastForAll(Option<(Arc<Message>, Option<Arc<Message>>)>);

/// The interceptors that want to see messages to clients.
pub(crate) struct Outbound {
    of_messages: Box<[Arc<dyn AnyInterceptor>]>,
    of_sessions: Box<[Arc<dyn AnyInterceptor>]>,
}

impl Outbound {
    /// Whether each session may get another message.
    pub(crate) fn is_for_each_session(&self) -> bool {
        !self.of_sessions.is_empty()
    }

    /// What all get instead of a message, if anything.
    pub(crate) fn for_all(&self, message: &Arc<Message>) -> Option<Arc<Message>> {
        changed(&self.of_messages, message, None)
    }

    /// As [`for_all`](Self::for_all), of a message of which others may have got their part already.
    pub(crate) fn for_more(
        &self,
        message: &Arc<Message>,
        last: &mut LastForAll,
    ) -> Option<Arc<Message>> {
        match &last.0 {
            Some((seen, left)) if Arc::ptr_eq(seen, message) => left.clone(),
            _ => {
                let left = self.for_all(message);
                last.0 = Some((Arc::clone(message), left.clone()));
                left
            }
        }
    }

    /// What one session gets instead of a message that all have passed, if anything.
    pub(crate) fn for_session(
        &self,
        message: &Arc<Message>,
        session: &Session,
    ) -> Option<Arc<Message>> {
        changed(&self.of_sessions, message, Some(session))
    }

    /// A message that one session gets, and nobody else: what it gets instead, if anything.
    pub(crate) fn alone(&self, message: &mut OutboundMessage, session: &Session) -> Verdict {
        match ask(&self.of_messages, message, None) {
            Verdict::Pass => ask(&self.of_sessions, message, Some(session)),
            Verdict::Drop => Verdict::Drop,
        }
    }
}

fn changed(
    interceptors: &[Arc<dyn AnyInterceptor>],
    message: &Arc<Message>,
    session: Option<&Session>,
) -> Option<Arc<Message>> {
    if interceptors.is_empty() {
        return Some(Arc::clone(message));
    }
    let mut outbound = OutboundMessage {
        destination: message.destination.as_str().into(),
        headers: message.headers.clone(),
        body: message.body.clone(),
    };
    if ask(interceptors, &mut outbound, session) == Verdict::Drop {
        return None;
    }
    let OutboundMessage { headers, body, .. } = outbound;
    let mut message = Message::clone(message);
    (message.headers, message.body) = (headers, body);
    Some(Arc::new(message))
}

fn ask(
    interceptors: &[Arc<dyn AnyInterceptor>],
    message: &mut OutboundMessage,
    session: Option<&Session>,
) -> Verdict {
    let ask_all = || {
        let mut all = interceptors.iter();
        all.all(|it| it.outbound_any(message, session) == Verdict::Pass)
    };
    match catch_unwind(AssertUnwindSafe(ask_all)) {
        Ok(true) => Verdict::Pass,
        Ok(false) => Verdict::Drop,
        Err(_) => {
            tracing::error!("an interceptor panicked: a message was dropped");
            Verdict::Drop
        }
    }
}
