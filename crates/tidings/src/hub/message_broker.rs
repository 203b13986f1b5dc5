//! What sessions and the application ask of the broker behind their destinations.

use bytes::Bytes;
use tidings_broker::{
    AckError, AckTarget, Action, Beginning, Broker, CommitError, DeleteError, Destination,
    DurableName, NackAction, SendError, Sender, Sent, SessionKey, Sink, Subscribe, SubscribeError,
    Timestamp, UserDestination,
};
use tidings_stomp::Headers;

use crate::endpoint::Session;

/// A message broker, as Spring calls what is behind its `brokerChannel`: one operation for each thing that a session or
/// the application asks for. The [`Hub`](super::Hub) has one, and whatever comes of an operation goes through the
/// [`Sink`] that the hub lends it: to the sessions, and to the store.
///
/// The in-process [`Broker`] is the only one. Another engine takes its place by implementing this. What is asked of the
/// in-process one beside it is the administration of queues, presence, and for rules what a frame is about: with
/// another engine these need answers of their own, or must refuse.
pub(crate) trait MessageBroker: Send + Sync {
    /// Stores what has to be stored before a subscription may become active.
    fn prepare_subscribe(
        &self,
        now: Timestamp,
        request: &Subscribe<'_, Session>,
        sink: &mut dyn Sink<Session>,
    );

    /// SUBSCRIBE. It is active when `on_active` is called, once and before any of its messages.
    fn subscribe(
        &self,
        now: Timestamp,
        request: Subscribe<'_, Session>,
        on_active: &mut dyn FnMut(Beginning),
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), SubscribeError>;

    /// UNSUBSCRIBE. Returns what the subscription was to; nothing if there was none with the id.
    fn unsubscribe(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<Session>,
    ) -> Vec<Destination>;

    /// UNSUBSCRIBE of a durable subscription: it is deleted, with what it keeps.
    fn delete_durable(
        &self,
        now: Timestamp,
        durable: &DurableName,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), DeleteError>;

    /// Ends a subscription, and tells its session so. Returns whether there was one.
    fn revoke(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<Session>,
    ) -> bool;

    /// SEND, of a session or of the application. A full queue is an error, and leaves the body.
    fn offer(
        &self,
        now: Timestamp,
        sender: Option<Sender<'_, Session>>,
        destination: Destination,
        headers: Headers,
        body: &mut Bytes,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Sent, SendError>;

    /// Sends to the sessions of a user, or to one of them.
    fn send_to_user(
        &self,
        now: Timestamp,
        to: UserDestination<'_>,
        headers: Headers,
        body: Bytes,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Sent, SendError>;

    /// The headers of a message that a handler takes instead, who can reply to the temporary destination in them.
    fn open_replies(
        &self,
        now: Timestamp,
        sender: Sender<'_, Session>,
        headers: Headers,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Headers, SendError>;

    /// ACK.
    fn ack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), AckError>;

    /// NACK.
    fn nack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        action: NackAction,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), AckError>;

    /// COMMIT: all of what a transaction has gathered, or nothing.
    fn commit(
        &self,
        now: Timestamp,
        sender: Sender<'_, Session>,
        actions: Vec<Action<'_>>,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), CommitError>;

    /// The session has ended, with all that it has.
    fn disconnect(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<Session>);

    /// A session can take messages again, after the sink has said that it could not.
    fn resume(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<Session>);

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Does what is due, or some of it.
    fn handle_timeout(&self, now: Timestamp, sink: &mut dyn Sink<Session>);
}

impl MessageBroker for Broker<Session> {
    fn prepare_subscribe(
        &self,
        now: Timestamp,
        request: &Subscribe<'_, Session>,
        sink: &mut dyn Sink<Session>,
    ) {
        self.prepare_subscribe(now, request, sink);
    }

    fn subscribe(
        &self,
        now: Timestamp,
        request: Subscribe<'_, Session>,
        on_active: &mut dyn FnMut(Beginning),
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), SubscribeError> {
        self.subscribe(now, request, on_active, sink)
    }

    fn unsubscribe(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<Session>,
    ) -> Vec<Destination> {
        self.unsubscribe(now, session, id, sink)
    }

    fn delete_durable(
        &self,
        now: Timestamp,
        durable: &DurableName,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), DeleteError> {
        self.delete_durable(now, durable, sink)
    }

    fn revoke(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<Session>,
    ) -> bool {
        self.revoke(now, session, id, sink)
    }

    fn offer(
        &self,
        now: Timestamp,
        sender: Option<Sender<'_, Session>>,
        destination: Destination,
        headers: Headers,
        body: &mut Bytes,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Sent, SendError> {
        self.offer(now, sender, destination, headers, body, sink)
    }

    fn send_to_user(
        &self,
        now: Timestamp,
        to: UserDestination<'_>,
        headers: Headers,
        body: Bytes,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Sent, SendError> {
        self.send_to_user(now, to, headers, body, sink)
    }

    fn open_replies(
        &self,
        now: Timestamp,
        sender: Sender<'_, Session>,
        headers: Headers,
        sink: &mut dyn Sink<Session>,
    ) -> Result<Headers, SendError> {
        self.open_replies(now, sender, headers, sink)
    }

    fn ack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), AckError> {
        self.ack(now, session, target, sink)
    }

    fn nack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        action: NackAction,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), AckError> {
        self.nack(now, session, target, action, sink)
    }

    fn commit(
        &self,
        now: Timestamp,
        sender: Sender<'_, Session>,
        actions: Vec<Action<'_>>,
        sink: &mut dyn Sink<Session>,
    ) -> Result<(), CommitError> {
        self.commit(now, sender, actions, sink)
    }

    fn disconnect(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<Session>) {
        self.disconnect(now, session, sink);
    }

    fn resume(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<Session>) {
        self.resume(now, session, sink);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.next_deadline()
    }

    fn handle_timeout(&self, now: Timestamp, sink: &mut dyn Sink<Session>) {
        self.handle_timeout(now, sink);
    }
}
