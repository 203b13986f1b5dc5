use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::{DestinationKind, Kind, NotAttached, Occupancy, Refusal};
use crate::destination::Destination;
use crate::history::Beginning;
use crate::message::{Message, MessageIds, Properties};
use crate::operation::Operation;
use crate::policy::PresencePolicy;
use crate::presence::{Member, MemberInfo, Members, PresenceEvent, Turn};
use crate::stats::DestinationStats;
use crate::stomp;
use crate::subscribers::Subscribers;
use crate::subscription::{SessionKey, Subscription};
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// How often only counts are told.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The presence of one destination: its members, and those who want to know.
#[derive(Debug)]
pub(crate) struct Presence<S> {
    name: Destination,
    policy: PresencePolicy,
    message_ids: Arc<MessageIds>,
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    members: BTreeMap<SessionKey, Present>,
    /// Of the list of all members.
    octets: usize,
    subscribers: Subscribers<S>,
    tells: Tells,
    /// When the count is going to be told.
    count_due: Option<Timestamp>,
    life: Life,
}

#[derive(Debug)]
struct Present {
    info: MemberInfo,
    subscriptions: usize,
}

/// What subscribers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// Who comes and goes.
    Members,
    /// How many there are: their list is too long.
    Counts,
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Open,
    Retired,
}

impl<S> Presence<S> {
    pub(crate) fn new(
        name: Destination,
        policy: PresencePolicy,
        message_ids: Arc<MessageIds>,
    ) -> Self {
        let state = State {
            members: BTreeMap::new(),
            octets: 0,
            subscribers: Subscribers::default(),
            tells: Tells::Members,
            count_due: None,
            life: Life::Open,
        };
        Self { name, policy, message_ids, state: Mutex::new(state) }
    }

    pub(crate) fn name(&self) -> &Destination {
        &self.name
    }

    /// A session comes or goes. The error is that this has retired.
    pub(crate) fn change(
        &self,
        session: SessionKey,
        turn: &Turn,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(NotAttached::Retired);
        }
        let (event, info) = match turn {
            Turn::Joins(info) => {
                let new = Present { info: info.clone(), subscriptions: 0 };
                let present = state.members.entry(session).or_insert(new);
                present.subscriptions += 1;
                if present.subscriptions > 1 {
                    return Ok(());
                }
                state.octets += info.octets(session);
                (PresenceEvent::Join, info.clone())
            }
            Turn::Leaves => {
                let Some(present) = state.members.get_mut(&session) else { return Ok(()) };
                present.subscriptions -= 1;
                if present.subscriptions > 0 {
                    return Ok(());
                }
                let gone = state.members.remove(&session).map(|present| present.info);
                let gone = gone.unwrap_or_default();
                state.octets -= gone.octets(session);
                (PresenceEvent::Leave, gone)
            }
        };
        let PresencePolicy { members_max, octets_max } = self.policy;
        match state.tells {
            Tells::Members if !state.fits(members_max, octets_max) => {
                state.tells = Tells::Counts;
                self.tell(&state, PresenceEvent::Count, operation);
            }
            Tells::Members => {
                let body = event.body(state.members.len(), std::iter::once((session, &info)));
                let message = self.message(event, body, &state.subscribers);
                self.publish(message.as_ref(), &state.subscribers, operation);
            }
            // With some distance, so that it does not go to and fro.
            Tells::Counts
                if state.fits(three_quarters(members_max), three_quarters(octets_max)) =>
            {
                state.tells = Tells::Members;
                self.tell(&state, PresenceEvent::Present, operation);
            }
            Tells::Counts => {
                if state.count_due.is_none() {
                    let due = operation.now.after(COUNT_INTERVAL);
                    state.count_due = Some(due);
                    self.wake_at(due, operation);
                }
            }
        }
        Ok(())
    }

    /// Who is there now.
    pub(crate) fn members(&self) -> Members {
        let state = lock(&self.state);
        let members = state
            .members
            .iter()
            .map(|(session, present)| Member { session: *session, info: present.info.clone() });
        Members { count: state.members.len(), members: members.collect() }
    }

    /// Tells all subscribers how things are.
    fn tell(&self, state: &State<S>, event: PresenceEvent, operation: &mut Operation<'_, S>) {
        let message = self.message(event, state.body(event), &state.subscribers);
        self.publish(message.as_ref(), &state.subscribers, operation);
    }

    fn wake_at(&self, at: Timestamp, operation: &mut Operation<'_, S>) {
        operation.aftermath.alarms.push((at, self.name.clone()));
    }

    /// A message for these subscribers, if there are any.
    fn message(
        &self,
        event: PresenceEvent,
        body: String,
        subscribers: &Subscribers<S>,
    ) -> Option<Arc<Message>> {
        (!subscribers.is_empty()).then(|| {
            Arc::new(Message {
                destination: self.name.clone(),
                message_id: self.message_ids.next(),
                headers: stomp::presence_headers(event),
                body: Bytes::from(body),
                properties: Properties::default(),
                sender: None,
            })
        })
    }

    fn publish(
        &self,
        message: Option<&Arc<Message>>,
        subscribers: &Subscribers<S>,
        operation: &mut Operation<'_, S>,
    ) {
        if let Some(message) = message {
            operation.sink.topic(message, subscribers);
        }
    }
}

fn three_quarters(max: usize) -> usize {
    max - max.div_ceil(4)
}

impl<S> State<S> {
    /// Whether the list of all members is no longer than that.
    fn fits(&self, members_max: usize, octets_max: usize) -> bool {
        self.members.len() <= members_max && self.octets <= octets_max
    }

    fn body(&self, event: PresenceEvent) -> String {
        let members = self.members.iter().map(|(session, present)| (*session, &present.info));
        event.body(self.members.len(), members)
    }
}

impl<S: Send + Sync> DestinationKind<S> for Presence<S> {
    fn on_send(&self, _: &Arc<Message>, _: &mut Operation<'_, S>) -> Result<usize, Refusal> {
        Err(Refusal::ReadOnly)
    }

    /// The newcomer is told who is there, and from then on who comes and goes.
    fn on_subscribe(
        &self,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        let mut state = lock(&self.state);
        if state.life == Life::Retired {
            return Err(NotAttached::Retired);
        }
        on_active(Beginning::without_history(subscription.options().rewind.as_ref()));
        let event = match state.tells {
            Tells::Members => PresenceEvent::Present,
            Tells::Counts => PresenceEvent::Count,
        };
        let newcomer = Subscribers::default().with(Arc::clone(subscription));
        newcomer.confirm();
        let message = self.message(event, state.body(event), &newcomer);
        self.publish(message.as_ref(), &newcomer, operation);
        state.subscribers = state.subscribers.with(Arc::clone(subscription));
        state.subscribers.confirm();
        Ok(())
    }

    fn on_unsubscribe(&self, subscriptions: &[&Subscription<S>], _: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        for subscription in subscriptions {
            if let Some(subscribers) = state.subscribers.without(subscription) {
                state.subscribers = subscribers;
            }
        }
    }

    fn on_timeout(&self, operation: &mut Operation<'_, S>) {
        let mut state = lock(&self.state);
        let is_due = state.count_due.take_if(|due| *due <= operation.now).is_some();
        if is_due && state.tells == Tells::Counts {
            self.tell(&state, PresenceEvent::Count, operation);
        }
        if let Some(due) = state.count_due {
            self.wake_at(due, operation);
        }
    }

    fn retire_if_vacant(&self, _: &mut Operation<'_, S>) -> Occupancy {
        let mut state = lock(&self.state);
        if !state.members.is_empty() || !state.subscribers.is_empty() {
            return Occupancy::InUse;
        }
        state.life = Life::Retired;
        Occupancy::Retired
    }

    fn stats(&self) -> DestinationStats {
        DestinationStats {
            name: self.name.clone(),
            kind: Kind::Presence,
            subscriptions: lock(&self.state).subscribers.len(),
            ready: 0,
            delayed: 0,
            unsettled: 0,
            kept: 0,
            octets: 0,
        }
    }
}
