use std::sync::Arc;

use super::subscribing::Place;
use super::{Broker, Sender};
use crate::address::{Address, Manner, OWN_QUEUE, TemporaryKind, is_nameless};
use crate::destination::Destination;
use crate::error::{SendError, SubscribeError};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::session::{Route, Routes};
use crate::sink::Sink;
use crate::stomp::{self, AckMode, Headers, SubscriptionId};
use crate::subscription::{
    EncodingClass, Format, MissingQueue, Ownership, SessionKey, Subscribe, SubscribeOptions,
};
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// Temporary destinations. Each has a name of its own that nobody can guess; what its session calls it
/// is looked up in the session, so that no other session can mean it.
impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// The name of the temporary destination that the session calls so.
    pub(super) fn own_name(
        &self,
        session: SessionKey,
        kind: TemporaryKind,
        called: &Destination,
    ) -> Result<Destination, SubscribeError> {
        let session = self.sessions.find_or_insert(session);
        let mut routes = lock(&session.routes);
        self.own_name_in(&mut routes, kind, called)
    }

    /// The same, with the lock of the session. There is one from now on, if there was none.
    pub(super) fn own_name_in(
        &self,
        routes: &mut Routes<S>,
        kind: TemporaryKind,
        called: &Destination,
    ) -> Result<Destination, SubscribeError> {
        if let Some(name) = routes.own(called) {
            return Ok(name.clone());
        }
        let session_temporary_max = self.limits().session_temporary_max;
        if routes.is_disconnected() {
            return Err(SubscribeError::Disconnected);
        }
        if routes.own_len() >= session_temporary_max {
            return Err(SubscribeError::TooManyTemporary { session_temporary_max });
        }
        let name = kind.name(&self.options.tokens.next());
        if kind == TemporaryKind::Queue {
            self.routing.open_temporary(&name, routes.allowance(self.limits()))?;
        }
        routes.insert_own(called.clone(), name.clone(), self.limits());
        Ok(name)
    }

    /// Opens the temporary destination that the `reply-to` header of a message names, for whoever else
    /// than the broker gets the message; [`send_from`](Self::send_from) does it itself. Returns the headers
    /// as that one sees them.
    ///
    /// # Errors
    ///
    /// [`SendError::Temporary`], and [`SendError::InvalidHeader`] where it has no name.
    pub fn open_replies(
        &self,
        now: Timestamp,
        sender: Sender<'_, S>,
        headers: Headers,
        sink: &mut dyn Sink<S>,
    ) -> Result<Headers, SendError> {
        self.operate(now, sink, |operation| self.with_replies(Some(sender), headers, operation))
    }

    /// The headers of a message as others see them: a temporary destination for replies has the name
    /// that they may use. A queue to which its session has not subscribed is subscribed to, as RabbitMQ
    /// does.
    pub(super) fn with_replies(
        &self,
        sender: Option<Sender<'_, S>>,
        headers: Headers,
        operation: &mut Operation<'_, S>,
    ) -> Result<Headers, SendError> {
        let (Some(sender), Some(reply_to)) = (sender, stomp::reply_to(&headers)) else {
            return Ok(headers);
        };
        if is_nameless(reply_to) {
            return Err(stomp::nameless_reply_to(reply_to).into());
        }
        let called = Destination::parse(reply_to).ok();
        let address = called.map(|called| self.routing.addresses().resolve(&called, || None));
        let Some(Ok(Address::Own(kind, called))) = address else { return Ok(headers) };
        let refused = |error| SendError::Temporary(Box::new(error));
        let remote = self.open_for_replies(sender, kind, &called, operation).map_err(refused)?;
        Ok(stomp::with_reply_to(headers, &remote))
    }

    fn open_for_replies(
        &self,
        sender: Sender<'_, S>,
        kind: TemporaryKind,
        called: &Destination,
        operation: &mut Operation<'_, S>,
    ) -> Result<String, SubscribeError> {
        let session = self.sessions.find_or_insert(sender.session);
        let mut routes = lock(&session.routes);
        let name = self.own_name_in(&mut routes, kind, called)?;
        let subscribed = routes.iter().find(|route| *route.pattern.name() == name);
        let manner = match (kind, subscribed) {
            (TemporaryKind::Topic, _) => Manner::ActiveMq,
            (TemporaryKind::Queue, Some(route)) if !is_automatic(route) => Manner::ActiveMq,
            (TemporaryKind::Queue, Some(_)) => Manner::RabbitMq,
            (TemporaryKind::Queue, None) => {
                let id = SubscriptionId::from(called.as_str());
                let (version, subscription) = (sender.version, Some(id.clone()));
                let class = EncodingClass { version, subscription, format: Format::Stomp };
                let request = Subscribe {
                    session: sender.session,
                    subscriber: sender.subscriber.clone(),
                    id,
                    destination: called.as_str(),
                    ack: AckMode::Auto,
                    class,
                    options: SubscribeOptions::default(),
                };
                self.check_request(&request, 1, &[], &routes)?;
                let place = Place {
                    kind: kind.kind(),
                    pattern: DestinationPattern::exact(name.clone()),
                    called: called.clone(),
                    ownership: Ownership::Session,
                    missing: MissingQueue::Create,
                };
                let subscription = self.subscription(&request, &place, &session, &mut routes);
                let subscription = Arc::new(subscription);
                self.attach(&place, subscription, &mut routes, &mut |_| {}, operation)?;
                Manner::RabbitMq
            }
        };
        Ok(kind.remote_name(&name, manner))
    }

    /// Ends what was the session's alone, with its messages.
    pub(super) fn end_temporary(&self, own: &[Destination], operation: &mut Operation<'_, S>) {
        for name in own {
            let Some(queue) = self.routing.queue(name) else { continue };
            // Its consumers were those of the session, which is gone.
            queue.cancel(operation);
            self.routing.close(&DestinationPattern::exact(name.clone()), &queue);
        }
    }
}

/// Whether the broker has made this subscription for `reply-to`.
pub(super) fn is_automatic<S>(route: &Route<S>) -> bool {
    let id = route.subscription.class.subscription.as_ref();
    id.is_some_and(|id| is_reserved(id.as_str()))
}

/// Whether only the broker gives such an id.
pub(super) fn is_reserved(id: &str) -> bool {
    id.starts_with(OWN_QUEUE)
}
