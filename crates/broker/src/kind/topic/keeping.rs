//! What a topic does that keeps messages.

use std::sync::Arc;

use super::archive::{self, Archive};
use super::{Life, Topic};
use crate::history::Beginning;
use crate::kind::{Admission, DestinationKind, NotAttached, Occupancy, Refusal};
use crate::message::Message;
use crate::operation::Operation;
use crate::subscription::Subscription;
use crate::sync::lock;

impl<S: Send + Sync> Topic<S> {
    /// The archive, if the topic keeps messages.
    pub(crate) fn archive(&self) -> Option<&Archive<S>> {
        self.archive.get().map(Box::as_ref)
    }

    /// The archive, made if there is none.
    ///
    /// Subscribers look for it under the same lock: so whoever has found none gets what is sent from
    /// now on.
    pub(crate) fn open_archive(&self, make: impl FnOnce() -> Archive<S>) -> &Archive<S> {
        let _life = lock(&self.writer);
        self.archive.get_or_init(|| Box::new(make()))
    }

    /// Takes a message and keeps it, as far as the archive is to. It also goes to `patterns`, which
    /// match the topic.
    pub(crate) fn send_and_keep(
        &self,
        archive: &Archive<S>,
        message: &Arc<Message>,
        admission: Admission,
        patterns: &[Arc<Self>],
        operation: &mut Operation<'_, S>,
    ) -> Result<usize, Refusal> {
        let mut state = archive.lock();
        if *lock(&self.writer) == Life::Retired {
            return Err(Refusal::Retired);
        }
        let kept = archive.keep(&mut state, message, admission, operation.now);
        let message = kept.map_err(|archive::NoRoom| Refusal::NoRoomToKeep)?;
        let mut subscribers = self.on_send(&message, operation)?;
        for pattern in patterns {
            subscribers += pattern.on_send(&message, operation)?;
        }
        state.leave_behind(operation);
        state.set_alarm(&self.name, operation);
        Ok(subscribers)
    }

    /// Attaches a subscriber behind what it gets of the past.
    pub(super) fn subscribe_behind(
        &self,
        archive: &Archive<S>,
        subscription: &Arc<Subscription<S>>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), NotAttached> {
        let mut state = archive.lock();
        let life = lock(&self.writer);
        if *life == Life::Retired {
            return Err(NotAttached::Retired);
        }
        let rewind = subscription.options().rewind.as_ref();
        let beginning = state.begin(rewind, operation.now);
        if let Some(position) = beginning.position.as_ref().filter(|_| rewind.is_some()) {
            // All messages of a topic with a history wait for the archive.
            state.add_reader(subscription, position.offset + 1);
            on_active(beginning);
            if let Some(caught_up) = state.go_on(subscription, operation) {
                self.join(&life, &caught_up, || {});
            }
            return Ok(());
        }
        self.join(&life, subscription, || {
            on_active(beginning);
            state.give_retained(subscription, operation);
        });
        Ok(())
    }

    /// Goes on with the past of a subscriber whose session can take more.
    pub(super) fn go_on(
        &self,
        archive: &Archive<S>,
        subscription: &Subscription<S>,
        operation: &mut Operation<'_, S>,
    ) {
        let mut state = archive.lock();
        if let Some(caught_up) = state.go_on(subscription, operation) {
            self.join(&lock(&self.writer), &caught_up, || {});
        }
    }

    /// Gives the retained message to a subscriber to a pattern, if there is one of no more than
    /// `octets_max`. Returns its octets.
    pub(crate) fn give_retained(
        &self,
        subscription: &Arc<Subscription<S>>,
        octets_max: usize,
        operation: &mut Operation<'_, S>,
    ) -> Option<usize> {
        let state = self.archive()?.lock();
        let retained = state.retained(operation.now)?;
        let octets = super::history::KeptOctets::of(retained);
        let gives = octets <= octets_max && archive::give(retained, subscription, operation);
        gives.then_some(octets)
    }

    /// Forgets what is too old.
    pub(super) fn tidy(&self, archive: &Archive<S>, operation: &mut Operation<'_, S>) {
        let mut state = archive.lock();
        state.clear_alarm();
        archive.forget_expired(&mut state, operation.now);
        state.leave_behind(operation);
        state.set_alarm(&self.name, operation);
    }

    /// Retires a topic that nobody uses and that has nothing to keep.
    pub(super) fn retire_with(
        &self,
        archive: &Archive<S>,
        operation: &mut Operation<'_, S>,
    ) -> Occupancy {
        let mut state = archive.lock();
        let mut life = lock(&self.writer);
        if self.has_subscribers() {
            return Occupancy::InUse;
        }
        if let Some(until) = state.needed_until(operation.now) {
            state.set_alarm_at(until, &self.name, operation);
            return Occupancy::InUse;
        }
        *life = Life::Retired;
        Occupancy::Retired
    }
}
