//! A broker whose deliveries are written down, for the unit tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::stomp::{AckMode, Headers, SubscriptionId, Version};
use crate::{
    AckError, AckTarget, Broker, BrokerOptions, CancelCause, Cancelled, Change, DeadLetter,
    Delivered, Delivery, Destination, DestinationPattern, DestinationStats, EncodingClass, Limits,
    Message, NackAction, Owner, SendError, Sender, Sent, SessionKey, Sink, Storage, Subscribe,
    SubscribeError, SubscribeOptions, Subscribers, Subscription, Timestamp,
};

/// A broker and the log of what it delivered. Sessions are named by their number.
pub(crate) struct Recording {
    pub(crate) broker: Broker<u64>,
    pub(crate) log: Log,
}

/// A sink that writes down what it gets.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) got: Vec<Got>,
    /// What to answer to the next deliveries to a session, before `Ready`.
    pub(crate) answers: BTreeMap<u64, VecDeque<Delivered>>,
    /// What was to be stored.
    pub(crate) changes: Vec<Change>,
    /// Whether what is stored can be, if not.
    pub(crate) storage: Option<Storage>,
    /// How often a queue has told that it has room again.
    pub(crate) rooms: usize,
    /// The headers of the messages of topics, as they were delivered.
    pub(crate) headers: Vec<Headers>,
    /// Sessions that were too slow for a history.
    pub(crate) overtaken: Vec<u64>,
    /// Sessions whose subscriptions the broker has ended, what those were to, and why they have ended.
    pub(crate) cancelled: Vec<(u64, Vec<String>, CancelCause)>,
    /// How many messages were given up for good.
    pub(crate) discarded: usize,
    /// How often it was told that dead letters wait for a place.
    pub(crate) waiting: usize,
}

/// One message for one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) session: u64,
    pub(crate) subscription: String,
    pub(crate) body: String,
    pub(crate) message_id: String,
    pub(crate) ack: Option<String>,
    pub(crate) delivery_count: u32,
    pub(crate) destination: String,
    pub(crate) reply_to: Option<String>,
}

impl Recording {
    pub(crate) fn new() -> Self {
        Self::with_limits(|_| {})
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with_options(|options| change(&mut options.limits))
    }

    pub(crate) fn with_options(change: impl FnOnce(&mut BrokerOptions)) -> Self {
        let mut options = BrokerOptions { message_id_prefix: "m".to_owned(), ..Default::default() };
        change(&mut options);
        Self { broker: Broker::new(options), log: Log::default() }
    }

    /// The changes of sending persistent messages to a queue of a broker that has no other.
    pub(crate) fn changes_of(queue: &str, bodies: &[&str]) -> Vec<Change> {
        let mut recording = Self::new();
        for body in bodies {
            recording.send_with(0, queue, &[("persistent", "true")], body).unwrap();
        }
        recording.log.changes
    }

    pub(crate) fn send(&mut self, destination: &str, body: &str) -> Result<Sent, SendError> {
        let destination = Destination::parse(destination).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.broker.send(now(), destination, Headers::default(), body, &mut self.log)
    }

    /// Sends as a session.
    pub(crate) fn send_from(
        &mut self,
        session: u64,
        destination: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Sent, SendError> {
        let destination = Destination::parse(destination).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let headers = headers.iter().copied().collect();
        let log = &mut self.log;
        self.broker.send_from(now(), sender(&session), destination, headers, body, log)
    }

    /// Sends with headers, at a moment.
    pub(crate) fn send_with(
        &mut self,
        milliseconds: u64,
        destination: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Sent, SendError> {
        let destination = Destination::parse(destination).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        let headers = headers.iter().copied().collect();
        self.broker.send(later(milliseconds), destination, headers, body, &mut self.log)
    }

    pub(crate) fn subscribe_to(
        &mut self,
        session: u64,
        destination: &str,
        ack: AckMode,
        headers: &[(&str, &str)],
    ) -> Result<(), SubscribeError> {
        let id = format!("s{session}");
        let mut request = request(session, &id, destination, ack);
        let headers = headers.iter().copied().collect();
        request.options = SubscribeOptions::from_headers(&headers, &id, destination, &owner())?;
        self.broker.subscribe(now(), request, |_| {}, &mut self.log)
    }

    /// Does all that is due.
    pub(crate) fn at(&mut self, milliseconds: u64) {
        let now = later(milliseconds);
        while self.broker.next_deadline().is_some_and(|at| at <= now) {
            self.broker.handle_timeout(now, &mut self.log);
        }
    }

    pub(crate) fn send_all(&mut self, destination: &str, bodies: &[&str]) {
        for body in bodies {
            self.send(destination, body).unwrap();
        }
    }

    pub(crate) fn subscribe(
        &mut self,
        session: u64,
        id: &str,
        destination: &str,
        ack: AckMode,
    ) -> Result<(), SubscribeError> {
        self.subscribe_with(session, id, destination, ack, None)
    }

    pub(crate) fn subscribe_with(
        &mut self,
        session: u64,
        id: &str,
        destination: &str,
        ack: AckMode,
        prefetch: Option<u32>,
    ) -> Result<(), SubscribeError> {
        let mut request = request(session, id, destination, ack);
        request.options.prefetch = prefetch;
        self.broker.subscribe(now(), request, |_| {}, &mut self.log)
    }

    pub(crate) fn unsubscribe(&mut self, session: u64, id: &str) {
        self.broker.unsubscribe(now(), SessionKey(session), id, &mut self.log);
    }

    pub(crate) fn disconnect(&mut self, session: u64) {
        self.broker.disconnect(now(), SessionKey(session), &mut self.log);
    }

    pub(crate) fn ack(&mut self, session: u64, id: &str) -> Result<(), AckError> {
        self.broker.ack(now(), SessionKey(session), AckTarget::Ack(id), &mut self.log)
    }

    pub(crate) fn ack_message(
        &mut self,
        session: u64,
        subscription: Option<&str>,
        message_id: &str,
    ) -> Result<(), AckError> {
        let target = AckTarget::Message { subscription, message_id };
        self.broker.ack(now(), SessionKey(session), target, &mut self.log)
    }

    pub(crate) fn nack(
        &mut self,
        session: u64,
        id: &str,
        action: NackAction,
    ) -> Result<(), AckError> {
        let target = AckTarget::Ack(id);
        self.broker.nack(now(), SessionKey(session), target, action, &mut self.log)
    }

    pub(crate) fn resume(&mut self, session: u64) {
        self.broker.resume(now(), SessionKey(session), &mut self.log);
    }

    /// The next deliveries to a session are answered so.
    pub(crate) fn answer(&mut self, session: u64, answers: &[Delivered]) {
        self.log.answers.entry(session).or_default().extend(answers);
    }

    /// What was delivered since the last call.
    pub(crate) fn take(&mut self) -> Vec<Got> {
        std::mem::take(&mut self.log.got)
    }

    /// What was delivered since the last call: session and body.
    pub(crate) fn bodies(&mut self) -> Vec<(u64, String)> {
        self.take().into_iter().map(|got| (got.session, got.body)).collect()
    }

    pub(crate) fn stats(&self, destination: &str) -> Option<DestinationStats> {
        self.broker.destination(&DestinationPattern::parse(destination).unwrap())
    }
}

impl Sink<u64> for Log {
    fn topic(&mut self, message: &Arc<Message>, subscribers: &Subscribers<u64>) {
        for (class, group) in subscribers.groups() {
            let ack = group.ack(message).map(str::to_owned);
            let destination = group.destination(message).as_str();
            for subscription in group {
                self.headers.push(message.headers.clone());
                assert_eq!(subscription.class, *class);
                self.got.push(Got {
                    session: subscription.subscriber,
                    subscription: subscription.id.as_str().to_owned(),
                    body: text(message),
                    message_id: message.message_id.to_string(),
                    ack: ack.clone(),
                    delivery_count: 1,
                    destination: destination.to_owned(),
                    reply_to: reply_to(message),
                });
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery<'_, u64>) -> Delivered {
        let session = delivery.subscription.subscriber;
        let answer = self.answers.get_mut(&session).and_then(VecDeque::pop_front);
        let answer = answer.unwrap_or(Delivered::Ready);
        if answer != Delivered::Refused {
            self.headers.push(delivery.message.headers.clone());
            self.got.push(Got {
                session,
                subscription: delivery.subscription.id.as_str().to_owned(),
                body: text(delivery.message),
                message_id: delivery.message.message_id.to_string(),
                ack: delivery.ack.map(|ack| ack.to_string()),
                delivery_count: delivery.delivery_count,
                destination: delivery.subscription.destination_of(delivery.message).to_string(),
                reply_to: reply_to(delivery.message),
            });
        }
        answer
    }

    fn browsed(&mut self, subscription: &Arc<Subscription<u64>>) {
        self.got.push(Got {
            session: subscription.subscriber,
            subscription: subscription.id.as_str().to_owned(),
            body: "[end]".to_owned(),
            message_id: "0".to_owned(),
            ack: None,
            delivery_count: 1,
            destination: subscription.destination.to_string(),
            reply_to: None,
        });
    }

    fn cancelled(&mut self, cancelled: Cancelled<'_, u64>) {
        let destinations = cancelled.destinations.iter().map(ToString::to_string).collect();
        let session = cancelled.subscription.subscriber;
        self.cancelled.push((session, destinations, cancelled.cause));
    }

    fn dead_letter_waits(&mut self, _: &DeadLetter) {
        self.waiting += 1;
    }

    fn discard(&mut self, _: &DeadLetter) {
        self.discarded += 1;
    }

    fn record(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn overtaken(&mut self, subscription: &Arc<Subscription<u64>>) {
        self.overtaken.push(subscription.subscriber);
    }

    fn storage(&self) -> Storage {
        self.storage.unwrap_or(Storage::Available)
    }

    fn has_room(&mut self, _: &Destination) {
        self.rooms += 1;
    }
}

pub(crate) fn request<'a>(
    session: u64,
    id: &str,
    destination: &'a str,
    ack: AckMode,
) -> Subscribe<'a, u64> {
    let id = SubscriptionId::from(id);
    Subscribe {
        session: SessionKey(session),
        subscriber: session,
        id: id.clone(),
        destination,
        ack,
        class: EncodingClass::stomp(Version::V1_2, Some(id)),
        options: SubscribeOptions::default(),
    }
}

/// Owned pairs, to compare with [`Recording::bodies`].
pub(crate) fn to(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(session, body)| (*session, (*body).to_owned())).collect()
}

pub(crate) fn sender(session: &u64) -> Sender<'_, u64> {
    Sender { session: SessionKey(*session), subscriber: session, version: Version::V1_2 }
}

fn reply_to(message: &Message) -> Option<String> {
    message.headers.get("reply-to").map(str::to_owned)
}

/// Whom the durable subscriptions of a [`Recording`] belong to.
pub(crate) fn owner() -> Owner {
    Owner::new(Some("owner"), None)
}

/// A moment of this century, as whoever waits from 1970 on finds out.
pub(crate) fn now() -> Timestamp {
    Timestamp(1_700_000_000_000)
}

/// So many milliseconds after [`now`].
pub(crate) fn later(milliseconds: u64) -> Timestamp {
    now().after(Duration::from_millis(milliseconds))
}

fn text(message: &Message) -> String {
    String::from_utf8(message.body.to_vec()).unwrap()
}
