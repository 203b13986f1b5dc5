//! Subscriptions to the handlers of the application, some of which are answered with streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidings_broker::SessionKey;
use tidings_stomp::{Error, MessageParts, Subscribe, SubscriptionId, Version, encode_message};
use tidings_websocket::Message;

use super::intercepting::left_of;
use super::outgoing::message_for;
use super::session::StompSession;
use crate::endpoint::{SendError, Session};
use crate::hub::{Hub, OpenStream};
use crate::messaging::{Answer, InboundMessage, LiveStream, Outgoing, Subscriber, Unhandled};

/// Streams that a session has subscribed to. They end with it.
pub(super) struct OwnStreams {
    hub: Arc<Hub>,
    key: SessionKey,
    /// How many there have been.
    opened: u64,
}

impl Drop for OwnStreams {
    fn drop(&mut self) {
        self.hub.close_streams(self.key);
    }
}

/// Who has subscribed to a stream.
struct StreamSubscriber {
    hub: Arc<Hub>,
    key: SessionKey,
    session: Session,
    version: Version,
    destination: String,
    id: SubscriptionId,
    number: u64,
    sent: AtomicU64,
    /// Whether its client is told of errors that nobody handles.
    is_told: bool,
}

impl Subscriber for StreamSubscriber {
    fn message(&self, item: &Outgoing) -> Option<Message> {
        let left = left_of(&self.hub, &self.session, &self.destination, item)?;
        let sent = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        let id = self.id.on_wire();
        let parts = MessageParts {
            destination: &self.destination,
            message_id: &format!("stream-{}-{sent}", self.number),
            subscription: id.as_ref().map(SubscriptionId::as_str),
            ack: None,
            redelivered: false,
            headers: &left.headers,
            body: &left.body,
        };
        let mut frame = Vec::new();
        encode_message(&parts, self.version, &mut frame);
        Some(message_for(&self.session, frame.into()))
    }

    fn failed(&self, why: Unhandled) {
        if self.is_told {
            let number = Some(self.number);
            self.hub.cancel_stream(self.key, self.id.as_str(), number, Error::from(why));
        }
    }
}

impl StompSession {
    /// A subscription to an application destination is answered by its handler, and is not the broker's.
    pub(super) async fn subscribe_to_controller(
        &mut self,
        session: &Session,
        path: &str,
        subscribe: &Subscribe,
    ) {
        let message = InboundMessage {
            destination: path.to_owned(),
            headers: subscribe.headers.clone(),
            body: Bytes::new(),
            session: session.clone(),
            messenger: self.shared.messenger.clone(),
        };
        let receipt = subscribe.receipt.clone();
        let Some(subscriber) = self.subscriber(session, subscribe).map(Arc::new) else { return };
        let answer = self.shared.dispatcher.dispatch_subscribe(message, subscriber).await;
        if !matches!(answer, Ok(Answer::Stream(_))) {
            // Nothing comes of it any more.
            self.forget_granted(&subscribe.id);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(unhandled) if self.shared.tells_unhandled(receipt.as_ref()) => {
                let error = Error::from(unhandled).with_receipt(receipt);
                return self.server.refuse_subscription(&subscribe.id, &error);
            }
            Err(unhandled) => return self.note_unhandled(session, path, &unhandled),
        };
        self.acknowledge_receipt(receipt);
        match answer {
            Answer::Messages(replies) => self.answer(session, subscribe, replies).await,
            Answer::Stream(stream) => self.start_stream(session, subscribe, stream).await,
        }
    }

    async fn answer(&mut self, session: &Session, subscribe: &Subscribe, replies: Vec<Outgoing>) {
        for reply in replies {
            if !reply.destination.is_empty() {
                reply.publish(&self.shared.messenger).await;
                continue;
            }
            let id = subscribe.id.on_wire();
            self.answer_with(session, &subscribe.destination, id.as_ref(), reply);
        }
    }

    /// Who subscribes; `None` before CONNECT.
    fn subscriber(&self, session: &Session, subscribe: &Subscribe) -> Option<StreamSubscriber> {
        Some(StreamSubscriber {
            hub: Arc::clone(&self.shared.hub),
            key: self.key,
            session: session.clone(),
            version: self.server.version()?,
            destination: subscribe.destination.clone(),
            id: subscribe.id.clone(),
            number: self.streams.as_ref().map_or(0, |streams| streams.opened),
            sent: AtomicU64::new(0),
            is_told: self.shared.tells_unhandled(subscribe.receipt.as_ref()),
        })
    }

    /// Lets a stream go once what was said before, its receipt above all, is on its way.
    async fn start_stream(&mut self, session: &Session, subscribe: &Subscribe, stream: LiveStream) {
        let Some(version) = self.server.version() else { return };
        if self.transmit(session).await.is_err() || self.released().await.is_err() {
            // The session is over.
            return;
        }
        let (hub, key) = (&self.shared.hub, self.key);
        let new = || Box::new(OwnStreams { hub: Arc::clone(hub), key, opened: 0 });
        let streams = self.streams.get_or_insert_with(new);
        let number = streams.opened;
        streams.opened += 1;
        let (session, destination) = (session.clone(), subscribe.destination.clone());
        let open = OpenStream { session, version, destination, number, stream };
        hub.open_stream(key, subscribe.id.clone(), open);
        hub.tell_noted(key).await;
    }

    pub(super) async fn transmit(&mut self, session: &Session) -> Result<(), SendError> {
        while let Some(room) = self.transmit_at_once(session)? {
            room.await?;
        }
        Ok(())
    }

    /// Ends the stream of a subscription, if it has one, and says what that was to. Nothing of it is sent after that.
    pub(super) fn end_stream(&self, id: &SubscriptionId) -> Option<String> {
        self.streams.as_ref()?;
        self.shared.hub.close_stream(self.key, id)
    }
}
