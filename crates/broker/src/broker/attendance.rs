use std::sync::Arc;

use super::Broker;
use crate::address::Address;
use crate::destination::Destination;
use crate::error::SubscribeError;
use crate::kind::{DestinationKind, Presence};
use crate::limits::QuotaSpent;
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::presence::{self, MemberInfo, Members, PresenceChange, Turn};
use crate::subscription::{SessionKey, Subscription};

impl<S: Send + Sync + 'static> Broker<S> {
    /// Who is subscribed to a destination by its name; `None` unless its policy has
    /// [presence](crate::DestinationPolicy::presence).
    #[must_use]
    pub fn presence(&self, destination: &Destination) -> Option<Members> {
        self.options.policies.of(destination).presence.as_ref()?;
        let companion = presence::companion_of(destination).ok()?;
        let found = self.routing.presence(&companion);
        Some(found.map_or_else(Members::default, |presence| presence.members()))
    }

    /// A session is subscribed to a topic: those are told who want to know.
    pub(super) fn joins(
        &self,
        pattern: &DestinationPattern,
        session: SessionKey,
        info: Option<&MemberInfo>,
        operation: &mut Operation<'_, S>,
    ) {
        let turn = Turn::Joins(info.cloned().unwrap_or_default().shortened());
        let destination = pattern.name().clone();
        operation.aftermath.presence.push(PresenceChange { destination, session, turn });
    }

    /// Subscriptions have ended.
    pub(super) fn leave(
        &self,
        pattern: &DestinationPattern,
        subscriptions: &[&Subscription<S>],
        operation: &mut Operation<'_, S>,
    ) {
        if !self.has_presence(pattern) {
            return;
        }
        for subscription in subscriptions {
            let (destination, session) = (pattern.name().clone(), subscription.session);
            let turn = Turn::Leaves;
            operation.aftermath.presence.push(PresenceChange { destination, session, turn });
        }
    }

    pub(super) fn has_presence(&self, pattern: &DestinationPattern) -> bool {
        self.routing.has_presence()
            && pattern.is_exact()
            && self.is_topic(pattern.name())
            && self.options.policies.of(pattern.name()).presence.is_some()
    }

    /// Takes the place where it is going to be told who has joined a topic: whoever found none would never be
    /// there. `None` if it is not told.
    pub(super) fn presence_to_join(
        &self,
        pattern: &DestinationPattern,
    ) -> Result<Option<Arc<Presence<S>>>, SubscribeError> {
        if !self.has_presence(pattern) {
            return Ok(None);
        }
        let companion =
            presence::companion_of(pattern.name()).map_err(SubscribeError::InvalidDestination)?;
        Ok(self.open_presence(&companion)?)
    }

    /// Tells of a change.
    pub(super) fn tell_presence(&self, change: &PresenceChange, operation: &mut Operation<'_, S>) {
        let PresenceChange { destination, session, turn } = change;
        let Ok(companion) = presence::companion_of(destination) else { return };
        let pattern = DestinationPattern::exact(companion.clone());
        loop {
            let found = match turn {
                // Its place was taken before, though it may have been closed since then.
                Turn::Joins(_) => self
                    .new_presence(&companion)
                    .map(|make| self.routing.open_presence_in_any_case(&companion, make)),
                Turn::Leaves => self.routing.presence(&companion),
            };
            let Some(presence) = found else { return };
            let changed = presence.change(*session, turn, operation);
            let presence: Arc<dyn DestinationKind<S>> = presence;
            if changed.is_ok() {
                return self.routing.close_if_vacant(&pattern, &presence, operation);
            }
            self.routing.close(&pattern, &presence);
        }
    }

    /// Finds the presence that is told under this name, or creates it.
    pub(super) fn presence_to_subscribe(
        &self,
        name: &Destination,
    ) -> Result<Arc<Presence<S>>, SubscribeError> {
        let none = || SubscribeError::NoPresence { destination: name.clone() };
        self.open_presence(name)?.ok_or_else(none)
    }

    fn is_topic(&self, name: &Destination) -> bool {
        matches!(self.routing.addresses().resolve(name, || None), Ok(Address::Topic(_)))
    }

    /// Whether presence is told under this name.
    pub(super) fn has_presence_at(&self, name: &Destination) -> bool {
        self.new_presence(name).is_some()
    }

    fn open_presence(&self, name: &Destination) -> Result<Option<Arc<Presence<S>>>, QuotaSpent> {
        let make = self.new_presence(name);
        make.map(|make| self.routing.open_presence(name, make)).transpose()
    }

    /// What makes the presence of this name, if there is one.
    fn new_presence(&self, name: &Destination) -> Option<impl FnOnce() -> Presence<S>> {
        let destination = presence::told_by(name)?;
        let policy = self.options.policies.of(&destination).presence.as_ref();
        let policy = policy.filter(|_| self.is_topic(&destination))?;
        Some(move || Presence::new(name.clone(), policy.clone(), Arc::clone(&self.message_ids)))
    }
}
