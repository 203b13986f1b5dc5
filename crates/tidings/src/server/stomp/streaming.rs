//! Subscriptions to the handlers of the application, some of which are answered with streams.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tidings_stomp::{Error, MessageParts, Subscribe, SubscriptionId, encode_message};

use super::intercepting::left_of;
use super::outgoing::message_for;
use super::session::StompSession;
use super::trace_context::TraceContext;
use crate::endpoint::{SendError, Session};
use crate::messaging::{Answer, Deliver, InboundMessage, LiveStream, Outgoing};

/// The streams that a session is subscribed to.
#[derive(Debug, Default)]
pub(super) struct LiveStreams {
    streams: HashMap<SubscriptionId, LiveStream>,
    /// How many there have been.
    opened: u64,
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
        let Some(deliver) = self.deliver(session, subscribe) else { return };
        let answer = match self.shared.dispatcher.dispatch_subscribe(message, deliver).await {
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
            Answer::Stream(stream) => {
                self.start_stream(session, subscribe.id.clone(), stream).await
            }
        }
    }

    async fn answer(&mut self, session: &Session, subscribe: &Subscribe, replies: Vec<Outgoing>) {
        let trace = TraceContext::of(&subscribe.headers);
        for reply in replies {
            let reply = trace.continued_by(reply);
            if !reply.destination.is_empty() {
                reply.publish(&self.shared.messenger).await;
                continue;
            }
            let id = subscribe.id.on_wire();
            self.answer_with(session, &subscribe.destination, id.as_ref(), reply);
        }
    }

    /// Sends the items of a stream as messages of the subscription; `None` before CONNECT.
    fn deliver(&self, session: &Session, subscribe: &Subscribe) -> Option<Deliver> {
        let version = self.server.version()?;
        let stream = self.streams.as_ref().map_or(0, |streams| streams.opened);
        let (destination, id) = (subscribe.destination.clone(), subscribe.id.on_wire());
        let (session, hub) = (session.clone(), Arc::clone(&self.shared.hub));
        let mut sent = 0_u64;
        Some(Box::new(move |item| {
            let Some(left) = left_of(&hub, &session, &destination, item) else { return Ok(()) };
            sent += 1;
            let parts = MessageParts {
                destination: &destination,
                message_id: &format!("stream-{stream}-{sent}"),
                subscription: id.as_ref().map(SubscriptionId::as_str),
                ack: None,
                redelivered: false,
                headers: &left.headers,
                body: &left.body,
            };
            let mut frame = Vec::new();
            encode_message(&parts, version, &mut frame);
            session.send_or_wait(message_for(&session, frame.into()))
        }))
    }

    /// Lets a stream go once what was said before, its receipt above all, is on its way.
    async fn start_stream(
        &mut self,
        session: &Session,
        id: SubscriptionId,
        mut stream: LiveStream,
    ) {
        if self.transmit(session).await.is_err() || self.released().await.is_err() {
            // The session is over.
            return;
        }
        stream.start();
        let streams = self.streams.get_or_insert_default();
        streams.opened += 1;
        streams.streams.insert(id, stream);
    }

    async fn transmit(&mut self, session: &Session) -> Result<(), SendError> {
        while let Some(room) = self.transmit_at_once(session)? {
            room.await?;
        }
        Ok(())
    }

    /// Ends the stream of a subscription, if it has one. Nothing of it is sent after that.
    pub(super) fn end_stream(&mut self, id: &SubscriptionId) {
        if let Some(streams) = &mut self.streams {
            streams.streams.remove(id);
        }
    }
}
