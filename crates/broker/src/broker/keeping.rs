use std::sync::Arc;

use super::Broker;
use crate::error::SendError;
use crate::kind::{Admission, Archive, DestinationKind, Kind, Refusal, Topic};
use crate::message::{Message, Retain};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::policy::Retention;
use crate::subscription::Subscription;
use crate::timestamp::Timestamp;

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Whether a message may be one that its topic keeps.
    pub(super) fn may_be_kept(&self, message: &Message) -> bool {
        self.routing.keeps_messages() || message.properties.retain != Retain::Unsaid
    }

    /// To the subscribers of a topic, which keeps the message if it keeps any.
    pub(super) fn send_and_keep(
        &self,
        message: &Arc<Message>,
        admission: Admission,
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, SendError> {
        let name = &message.destination;
        let pattern = DestinationPattern::exact(name.clone());
        loop {
            let Some(topic) = self.keeping_topic(message, admission, operation.now)? else {
                return Ok(self.fan_out(message, operation));
            };
            let archive = topic.open_archive(|| self.routing.archive_of(name, operation.now));
            let sent = {
                let changes = archive.changes_retained(message);
                let _hold = changes.then(|| self.routing.retained().hold(name, &topic));
                let patterns = self.routing.patterns_of(name);
                topic.send_and_keep(archive, message, admission, &patterns, operation)
            };
            if sent == Err(Refusal::Retired) {
                self.routing.close(&pattern, &topic);
                continue;
            }
            if message.properties.retain != Retain::Unsaid {
                let topic: Arc<dyn DestinationKind<S>> = topic;
                self.routing.close_if_vacant(&pattern, &topic, operation);
            }
            let kept_octets_max = self.limits().kept_octets_max;
            let destination = name.clone();
            return sent.map_err(|_| SendError::NoRoomToRetain { destination, kept_octets_max });
        }
    }

    /// The topic of a message, if it keeps messages. It need not have subscribers.
    fn keeping_topic(
        &self,
        message: &Message,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Option<Arc<Topic<S>>>, SendError> {
        let name = &message.destination;
        let found = self.routing.topic(name);
        if found.as_ref().is_some_and(|topic| topic.archive().is_some()) {
            return Ok(found);
        }
        let policy = self.options.policies.of(name);
        let sets = message.properties.retain == Retain::Set;
        let is_kept = policy.keeps_messages() || sets && policy.retention != Retention::Never;
        if !is_kept {
            return Ok(None);
        }
        let pattern = DestinationPattern::exact(name.clone());
        match self.routing.open_topic(&pattern, Kind::Topic, now) {
            Ok(topic) => Ok(Some(topic)),
            // Its history begins with the first message for which there is a place.
            Err(_) if !sets || admission == Admission::InAnyCase => Ok(None),
            Err(spent) => Err(spent.into()),
        }
    }

    /// Gives a new subscriber to a pattern the retained messages of the topics that match.
    pub(super) fn give_retained<'a>(
        &self,
        topics: impl Iterator<Item = &'a Arc<Topic<S>>>,
        subscription: &Arc<Subscription<S>>,
        operation: &mut Operation<'_, S>,
    ) {
        let mut messages = self.limits().retained_matches_max;
        let mut octets = self.limits().retained_octets_max;
        for topic in topics {
            if messages == 0 {
                return;
            }
            if let Some(given) = topic.give_retained(subscription, octets, operation) {
                messages -= 1;
                octets -= given;
            }
        }
    }
}

impl<S> Archive<S> {
    /// Whether a message becomes the retained one of its topic, or takes it away.
    pub(super) fn changes_retained(&self, message: &Message) -> bool {
        match self.retention() {
            Retention::Never => false,
            Retention::WhenAsked => message.properties.retain != Retain::Unsaid,
            Retention::Last => true,
        }
    }
}
