//! UNSUBSCRIBE, and other ends of subscriptions.

use std::sync::Arc;

use super::Broker;
use super::temporary::is_automatic;
use crate::destination::Destination;
use crate::operation::Operation;
use crate::session::{Remains, Route};
use crate::sink::{CancelCause, Cancelled, Sink};
use crate::stomp::SubscriptionId;
use crate::subscription::{SessionKey, Subscription};
use crate::sync::lock;
use crate::timestamp::Timestamp;

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Ends a subscription, as in UNSUBSCRIBE, if there is one with this id. Messages of a queue
    /// that it has not settled go back to their places, and to other consumers. Returns what it was to, as it
    /// was written: nothing if there was none.
    ///
    /// A message that another thread is sending to a topic at this moment may still go out.
    pub fn unsubscribe(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<S>,
    ) -> Vec<Destination> {
        let Some(session) = self.sessions.find(session) else { return Vec::new() };
        let mut routes = lock(&session.routes);
        let parts = routes.remove(id);
        let destinations = destinations_of(&parts);
        self.operate(now, sink, |operation| self.detach_all(parts, operation));
        destinations
    }

    /// Ends a subscription of a session that has not asked for it, and [tells it](Sink::cancelled). Otherwise as
    /// [`unsubscribe`](Self::unsubscribe). Returns whether there was one with this id.
    pub fn revoke(
        &self,
        now: Timestamp,
        session: SessionKey,
        id: &str,
        sink: &mut dyn Sink<S>,
    ) -> bool {
        let Some(session) = self.sessions.find(session) else { return false };
        let mut routes = lock(&session.routes);
        let parts = routes.remove(id);
        let Some(first) = parts.first() else { return false };
        let subscription = Arc::clone(&first.subscription);
        let destinations = destinations_of(&parts);
        self.operate(now, sink, |operation| {
            self.detach_all(parts, operation);
            let (subscription, cause) = (&subscription, CancelCause::Revoked);
            operation.sink.cancelled(Cancelled { subscription, destinations, cause });
        });
        true
    }

    /// The subscriptions of a session, each with its id and what it is to, as that was written; one to several
    /// destinations is several. Those that the broker has made for `reply-to` are not among them.
    #[must_use]
    pub fn subscriptions(&self, session: SessionKey) -> Vec<(SubscriptionId, Destination)> {
        let Some(session) = self.sessions.find(session) else { return Vec::new() };
        let routes = lock(&session.routes);
        let own = routes.iter().filter(|route| !is_automatic(route));
        own.map(|Route { subscription, .. }| {
            (subscription.id.clone(), subscription.destination.clone())
        })
        .collect()
    }

    /// Ends all subscriptions of a session, whose key must not be used again. What it has not
    /// settled goes back to the queues and to other sessions.
    pub fn disconnect(&self, now: Timestamp, session: SessionKey, sink: &mut dyn Sink<S>) {
        let Some(session) = self.sessions.remove(session) else { return };
        let mut routes = lock(&session.routes);
        // What one of its subscriptions leaves behind must not go to another one.
        session.flow.pause();
        let Remains { routes, own } = routes.disconnect();
        self.operate(now, sink, |operation| {
            for routes in routes.chunk_by(|one, next| one.place() == next.place()) {
                self.detach(routes, operation);
            }
            self.end_temporary(&own, operation);
        });
    }

    pub(super) fn detach_all(&self, parts: Vec<Route<S>>, operation: &mut Operation<'_, S>) {
        for part in parts {
            self.detach(&[part], operation);
        }
    }

    /// Detaches subscriptions of one destination.
    fn detach(&self, routes: &[Route<S>], operation: &mut Operation<'_, S>) {
        let Some(Route { pattern, destination, .. }) = routes.first() else { return };
        let subscriptions: Vec<&Subscription<S>> =
            routes.iter().map(|route| &*route.subscription).collect();
        destination.on_unsubscribe(&subscriptions, operation);
        self.leave(pattern, &subscriptions, operation);
        self.routing.close_if_vacant(pattern, destination, operation);
    }
}

/// What a subscription was to, as it was written.
fn destinations_of<S>(parts: &[Route<S>]) -> Vec<Destination> {
    parts.iter().map(|part| part.subscription.destination.clone()).collect()
}

#[cfg(test)]
mod tests {
    use crate::recording::{Recording, now, to};
    use crate::stomp::AckMode::{Auto as AUTO, ClientIndividual as INDIVIDUAL};
    use crate::{CancelCause, SessionKey};

    fn revoke(recording: &mut Recording, session: u64, id: &str) -> bool {
        recording.broker.revoke(now(), SessionKey(session), id, &mut recording.log)
    }

    #[test]
    fn a_revoked_subscription_ends_for_all_of_its_destinations_and_is_told_once() {
        let mut recording = Recording::new();
        recording.subscribe(1, "a", "/queue/a,/topic/b", INDIVIDUAL).unwrap();
        recording.subscribe(1, "b", "/topic/b", AUTO).unwrap();
        recording.send("/queue/a", "1").unwrap();
        assert!(revoke(&mut recording, 1, "a"));
        let [(session, destinations, cause)] = &recording.log.cancelled[..] else {
            panic!("{:?}", recording.log.cancelled);
        };
        assert_eq!((*session, *cause), (1, CancelCause::Revoked));
        assert_eq!(destinations, &["/queue/a", "/topic/b"]);
        recording.take();
        recording.send("/topic/b", "2").unwrap();
        recording.subscribe(2, "a", "/queue/a", AUTO).unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "2"), (2, "1")]), "1 was not settled");
        assert!(!revoke(&mut recording, 1, "a"), "it has ended");
        assert!(!revoke(&mut recording, 3, "a"));
        recording.subscribe(1, "a", "/topic/c", AUTO).unwrap();
        assert_eq!(recording.log.cancelled.len(), 1);
    }

    #[test]
    fn subscriptions_are_listed_as_they_were_written_without_those_of_the_broker() {
        let mut recording = Recording::new();
        recording.subscribe(1, "a", "/queue/a%2Fb,/topic/*", AUTO).unwrap();
        recording.send_from(1, "/topic/c", &[("reply-to", "/temp-queue/r")], "m").unwrap();
        recording.subscribe(1, "d", "/temp-queue/d", AUTO).unwrap();
        let listed = recording.broker.subscriptions(SessionKey(1));
        let listed: Vec<_> = listed.iter().map(|(id, to)| (id.as_str(), to.as_str())).collect();
        assert_eq!(listed, [("a", "/queue/a%2Fb"), ("a", "/topic/*"), ("d", "/temp-queue/d")]);
        recording.unsubscribe(1, "a");
        assert_eq!(recording.broker.subscriptions(SessionKey(1)).len(), 1);
        assert!(recording.broker.subscriptions(SessionKey(2)).is_empty());
    }
}
