use std::sync::Arc;
use std::{mem, slice};

use bytes::Bytes;

use super::together::Together;
use super::{Broker, Sent};
use crate::address::{Address, RoutingType};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::error::SendError;
use crate::kind::{Admission, Amount, DestinationKind, Kind, Queue, Refusal, Role};
use crate::message::{Message, Properties, Retain};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::sink::{Sink, Storage};
use crate::stomp::{self, Headers, Version};
use crate::subscription::{MissingQueue, SessionKey};
use crate::timestamp::Timestamp;

/// The session that a message comes from.
#[derive(Debug)]
pub struct Sender<'a, S> {
    /// Which one.
    pub session: SessionKey,
    /// How the shell reaches it: replies go there.
    pub subscriber: &'a S,
    /// The version of STOMP that it speaks.
    pub version: Version,
}

impl<S> Clone for Sender<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Sender<'_, S> {}

/// What has been sent, before its destination is known to be one.
#[derive(Clone)]
struct Content {
    sender: Option<SessionKey>,
    headers: Headers,
    body: Bytes,
    properties: Properties,
    routing_type: Option<RoutingType>,
    arguments: QueueArguments,
}

/// A message for each destination of a SEND. There is hardly ever more than one.
pub(super) enum Addressed {
    One(Routed),
    Several(Vec<Routed>),
}

impl Addressed {
    pub(super) fn messages(&self) -> &[Routed] {
        match self {
            Self::One(message) => slice::from_ref(message),
            Self::Several(messages) => messages,
        }
    }
}

/// A message whose destination is known to be one.
pub(super) struct Routed {
    pub(super) kind: Kind,
    /// What if its queue does not exist.
    pub(super) missing: MissingQueue,
    pub(super) message: Arc<Message>,
    /// What its sender asks of the queue.
    pub(super) arguments: QueueArguments,
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Takes a message that comes from no session: to all subscribers of a topic, or into a queue, which
    /// need not exist. Wildcards in `destination` are taken literally. Several destinations may be given,
    /// separated by commas, each from its first slash on.
    ///
    /// Its headers say whether it is to be stored (`persistent`), when it expires (`expires`,
    /// `expiration`), how urgent it is (`priority`), and what is asked of the queue (`x-…`).
    ///
    /// # Errors
    ///
    /// [`SendError`] if the destination is of no kind that the broker knows, or is full, or a
    /// persistent message [cannot be stored](Sink::storage) at the moment. Of several
    /// destinations none has got the message then.
    pub fn send(
        &self,
        now: Timestamp,
        destination: Destination,
        headers: Headers,
        mut body: Bytes,
        sink: &mut dyn Sink<S>,
    ) -> Result<Sent, SendError> {
        self.offer(now, None, destination, headers, &mut body, sink)
    }

    /// Takes a message of a session, as in SEND. It may name temporary destinations of its own, which
    /// there are from then on, and have replies sent to them: with a `reply-to` of `/temp-queue/NAME`
    /// the broker subscribes to that queue for the session, under that name as id, unless the session
    /// has done so, and others see a name in `reply-to` that they can send to.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_from(
        &self,
        now: Timestamp,
        sender: Sender<'_, S>,
        destination: Destination,
        headers: Headers,
        mut body: Bytes,
        sink: &mut dyn Sink<S>,
    ) -> Result<Sent, SendError> {
        self.offer(now, Some(sender), destination, headers, &mut body, sink)
    }

    /// As [`send_from`](Self::send_from) or, without a sender, [`send`](Self::send). Takes the body, but
    /// where a [queue is full](SendError::full_queue): so the message can be offered again, and none has to be
    /// cloned for that in advance.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn offer(
        &self,
        now: Timestamp,
        sender: Option<Sender<'_, S>>,
        destination: Destination,
        headers: Headers,
        body: &mut Bytes,
        sink: &mut dyn Sink<S>,
    ) -> Result<Sent, SendError> {
        self.operate(now, sink, |operation| {
            let taken = mem::take(body);
            let addressed = self.address(sender, destination, headers, taken, operation)?;
            let messages = addressed.messages();
            let last = &messages.last().expect("a message has a destination").message;
            match self.send_addressed(messages, operation) {
                Ok(subscribers) => Ok(Sent { message_id: last.message_id.clone(), subscribers }),
                Err(error) => {
                    if error.full_queue().is_some() {
                        *body = last.body.clone();
                    }
                    Err(error)
                }
            }
        })
    }

    /// To each destination or, if one does not take it, to none.
    fn send_addressed(
        &self,
        messages: &[Routed],
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        self.check_storage(messages, operation)?;
        if let [one] = messages {
            return self.route(one, Admission::IfThereIsRoom, operation);
        }
        let mut together = Together::default();
        messages.iter().try_for_each(|it| self.check_room(it, &mut together))?;
        Ok(messages.iter().map(|it| self.send_checked(it, operation)).sum())
    }

    /// One message for each destination, once all of them are known to be destinations.
    pub(super) fn address(
        &self,
        sender: Option<Sender<'_, S>>,
        destination: Destination,
        headers: Headers,
        body: Bytes,
        operation: &mut Operation<'_, S>,
    ) -> Result<Addressed, SendError> {
        let (properties, routing_type) = stomp::asked_for_message(operation.now, &headers)?;
        let (arguments, headers) = stomp::take_arguments(headers)?;
        let headers = self.with_replies(sender, headers, operation)?;
        let sender = sender.map(|sender| sender.session);
        let content = Content { sender, headers, body, properties, routing_type, arguments };
        let addressed = self.address_each(destination, content)?;
        check_retain(addressed.messages())?;
        Ok(addressed)
    }

    fn address_each(
        &self,
        destination: Destination,
        content: Content,
    ) -> Result<Addressed, SendError> {
        if !destination.is_composite() {
            return self.address_one(destination, content).map(Addressed::One);
        }
        let parts = destination.parts().map(|part| {
            let part = Destination::parse_part(part).map_err(SendError::InvalidDestination)?;
            self.address_one(part, content.clone())
        });
        parts.collect::<Result<_, _>>().map(Addressed::Several)
    }

    fn address_one(&self, called: Destination, content: Content) -> Result<Routed, SendError> {
        let Content { sender, headers, body, properties, routing_type, arguments } = content;
        let address = self.routing.addresses().resolve(&called, || routing_type)?;
        let (kind, destination, missing) = self.reach(sender, address)?;
        let message_id = self.message_ids.next();
        let message = Message { destination, message_id, headers, body, properties, sender };
        Ok(Routed { kind, missing, message: Arc::new(message), arguments })
    }

    /// Where messages for an address go.
    pub(super) fn reach(
        &self,
        session: Option<SessionKey>,
        address: Address,
    ) -> Result<(Kind, Destination, MissingQueue), SendError> {
        Ok(match address {
            Address::Topic(name) | Address::Exchange(name) => {
                (Kind::Topic, name, MissingQueue::Create)
            }
            Address::Queue(name) => (Kind::Queue, name, MissingQueue::Create),
            Address::ExistingQueue(queue) => {
                if self.routing.queue(&queue).is_none() {
                    return Err(SendError::NoSuchQueue { queue });
                }
                (Kind::Queue, queue, MissingQueue::Refuse)
            }
            Address::Presence(destination) => return Err(SendError::ReadOnly { destination }),
            Address::User(called) => {
                let name = self.routing.addresses().user_topic_called(&called)?;
                (Kind::User, name, MissingQueue::Refuse)
            }
            Address::Own(kind, destination) => {
                let session =
                    session.ok_or(SendError::NoSession { destination: destination.clone() })?;
                let refused = |error| SendError::Temporary(Box::new(error));
                let name = self.own_name(session, kind, &destination).map_err(refused)?;
                (kind.kind(), name, MissingQueue::Refuse)
            }
            Address::Remote(kind, name) => (kind.kind(), name, MissingQueue::Refuse),
        })
    }

    /// Whether those of the messages that are to be stored can be.
    pub(super) fn check_storage(
        &self,
        messages: &[Routed],
        operation: &Operation<'_, S>,
    ) -> Result<(), SendError> {
        let is_kept = |routed: &Routed| {
            routed.message.is_persistent()
                && match routed.kind {
                    Kind::Queue => true,
                    Kind::Topic => !self.bindings.of(&routed.message).is_empty(),
                    Kind::TemporaryQueue | Kind::TemporaryTopic | Kind::Presence | Kind::User => {
                        false
                    }
                }
        };
        match operation.sink.storage() {
            Storage::Available => Ok(()),
            storage if messages.iter().any(is_kept) => Err(SendError::CannotStore { storage }),
            _ => Ok(()),
        }
    }

    pub(super) fn route(
        &self,
        routed: &Routed,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        match routed.kind {
            Kind::Topic => self.send_to_topics(&routed.message, admission, operation),
            Kind::Queue => self.send_to_queue(routed, admission, operation),
            Kind::Presence => {
                Err(SendError::ReadOnly { destination: routed.message.destination.clone() })
            }
            Kind::TemporaryQueue => self.send_to_temporary(&routed.message, admission, operation),
            Kind::User => Ok(self.send_to_sessions(None, &routed.message, operation)),
            Kind::TemporaryTopic => {
                let topic = self.routing.topic(&routed.message.destination);
                Ok(topic.map_or(0, |topic| topic.on_send(&routed.message, operation).unwrap_or(0)))
            }
        }
    }

    fn send_to_topics(
        &self,
        message: &Arc<Message>,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        let bound = self.bindings.of(message);
        if !bound.is_empty() {
            self.send_to_bound(&bound, message, admission, operation)?;
        }
        if message.properties.expires_at.is_some_and(|at| at <= operation.now) {
            return Ok(0);
        }
        if self.may_be_kept(message) {
            return self.send_and_keep(message, admission, operation);
        }
        Ok(self.fan_out(message, operation))
    }

    /// To the subscribers of a topic, and of the patterns that match it.
    pub(super) fn fan_out(
        &self,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> usize {
        let topics = self.routing.listening_to(&message.destination);
        let handed = topics.map(|topic| topic.on_send(message, operation));
        handed.filter_map(Result::ok).sum()
    }

    /// To the durable subscriptions: to all of them or, if one has no room, to none.
    fn send_to_bound(
        &self,
        bound: &[Arc<Queue<S>>],
        message: &Arc<Message>,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SendError> {
        if admission == Admission::IfThereIsRoom {
            for queue in bound {
                let amount = Amount::default().with(message);
                let room = queue.check_room(amount, &QueueArguments::NONE, 0);
                room.map_err(|refusal| refused(queue.name(), refusal))?;
            }
        }
        for queue in bound {
            // One that was deleted meanwhile needs no message.
            let _ = queue.send(message, Admission::InAnyCase, operation);
        }
        Ok(())
    }

    fn send_to_queue(
        &self,
        routed: &Routed,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        let message = &routed.message;
        let destination = &message.destination;
        let name = queue_name(destination)?;
        loop {
            let missing = || SendError::NoSuchQueue { queue: destination.clone() };
            let queue = match (routed.missing, admission) {
                (MissingQueue::Refuse, Admission::IfThereIsRoom) => {
                    self.routing.queue(destination).ok_or_else(missing)?
                }
                (MissingQueue::Create, Admission::IfThereIsRoom) => {
                    self.routing.open_queue(destination, &Role::Named)?
                }
                (_, Admission::InAnyCase) => {
                    self.routing.open_queue_in_any_case(destination, &Role::Named)
                }
            };
            if !routed.arguments.is_empty() {
                match queue.declare(&routed.arguments, operation) {
                    Err(differs @ Refusal::ArgumentDiffers(_))
                        if admission == Admission::IfThereIsRoom =>
                    {
                        return Err(refused(destination, differs));
                    }
                    // A queue that has retired says so of the message, too.
                    _ => {}
                }
            }
            let sent = queue.send(message, admission, operation);
            if sent == Err(Refusal::Retired) {
                self.routing.close(&name, &queue);
                continue;
            }
            if sent != Ok(1) {
                // It may have been made for a message that it does not hold.
                self.routing.close_if_vacant(&name, &(queue as _), operation);
            }
            return sent.map_err(|refusal| refused(destination, refusal));
        }
    }

    /// To a session that waits for a reply. If it is gone, the reply is not wanted. If it does not read,
    /// others that wait for replies of the same sender should not have to wait for it.
    fn send_to_temporary(
        &self,
        message: &Arc<Message>,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        let destination = &message.destination;
        let Some(queue) = self.routing.queue(destination) else { return Ok(0) };
        match queue.send(message, admission, operation) {
            Ok(subscribers) => Ok(subscribers),
            Err(Refusal::Retired) => Ok(0),
            Err(refusal) => Err(temporary_refused(destination, refusal)),
        }
    }
}

/// Whoever asks a queue to retain a message takes it for a topic.
fn check_retain(messages: &[Routed]) -> Result<(), SendError> {
    let asks_in_vain = |routed: &Routed| {
        routed.message.properties.retain != Retain::Unsaid
            && matches!(routed.kind, Kind::Queue | Kind::TemporaryQueue)
    };
    match messages {
        [first, ..] if messages.iter().all(asks_in_vain) => {
            Err(stomp::nothing_to_retain(&first.message.headers).into())
        }
        _ => Ok(()),
    }
}

/// The name of a queue, which must be one that somebody can subscribe to.
pub(super) fn queue_name(destination: &Destination) -> Result<DestinationPattern, SendError> {
    let wildcard = || SendError::WildcardInQueueName { destination: destination.clone() };
    let name = DestinationPattern::of(destination.clone()).map_err(|_| wildcard())?;
    if name.is_exact() { Ok(name) } else { Err(wildcard()) }
}

pub(super) fn temporary_refused(destination: &Destination, refusal: Refusal) -> SendError {
    match refusal {
        Refusal::Full(limit)
        | Refusal::FullAndRefusing(limit)
        | Refusal::TooLarge(limit)
        | Refusal::TooMuchTogether(limit) => {
            SendError::TemporaryQueueFull { destination: destination.clone(), limit }
        }
        refusal => refused(destination, refusal),
    }
}

pub(super) fn refused(destination: &Destination, refusal: Refusal) -> SendError {
    let destination = destination.clone();
    match refusal {
        Refusal::Full(limit) => SendError::QueueFull { destination, limit },
        Refusal::FullAndRefusing(limit) => SendError::QueueRefuses { destination, limit },
        Refusal::TooLarge(limit) => SendError::MessageTooLarge { destination, limit },
        Refusal::TooMuchTogether(limit) => SendError::TooMuchTogether { destination, limit },
        Refusal::ArgumentDiffers(argument) => {
            SendError::ArgumentDiffers { queue: destination, argument }
        }
        Refusal::NoRoomToKeep | Refusal::ReadOnly => unreachable!("it is a queue"),
        Refusal::Retired => unreachable!("whoever meets a retired destination looks for another"),
    }
}
