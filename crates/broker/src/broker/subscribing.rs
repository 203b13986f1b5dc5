use std::sync::Arc;

use super::Broker;
use super::sending::queue_name;
use super::temporary::{is_automatic, is_reserved};
use crate::address::{Address, RoutingType};
use crate::destination::Destination;
use crate::error::SubscribeError;
use crate::history::Beginning;
use crate::kind::{DestinationKind, Kind, NotAttached, Refusal, Role};
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::policy::QueueOverflow;
use crate::presence::MemberInfo;
use crate::session::{Route, Routes, Session};
use crate::sink::Sink;
use crate::stomp::SubscriptionId;
use crate::subscription::{
    Access, MissingQueue, Ownership, Subscribe, SubscribeOptions, Subscription,
};
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// Where a part of a subscription is to be attached.
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) pattern: DestinationPattern,
    /// The destination as the subscriber has written it.
    pub(super) called: Destination,
    pub(super) ownership: Ownership,
    /// What if there is no such queue.
    pub(super) missing: MissingQueue,
}

/// A subscription that its session may have.
struct Admitted {
    /// A place for each destination.
    places: Vec<Place>,
    /// The ids of the subscriptions whose place it takes: the broker's own to temporary queues.
    replaced: Vec<SubscriptionId>,
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Prepares a subscription. Whatever this records has to be stored before
    /// [`subscribe`](Self::subscribe) is called with the same request; where it records nothing, there
    /// is nothing to wait for.
    ///
    /// What is delivered to the subscription must be known to have been delivered, should the server
    /// end. And a durable subscription must be there when its RECEIPT is: it is made here, and gets
    /// messages from here on. A request that `subscribe` will refuse to the session changes nothing.
    pub fn prepare_subscribe(
        &self,
        now: Timestamp,
        request: &Subscribe<'_, S>,
        sink: &mut dyn Sink<S>,
    ) {
        if request.options.access == Access::Browse {
            return;
        }
        let session = self.sessions.find_or_insert(request.session);
        let mut routes = lock(&session.routes);
        // What is wrong with it is told to whoever subscribes.
        let Ok(Admitted { places, .. }) = self.admit(request, &mut routes) else { return };
        self.operate(now, sink, |operation| {
            for Place { kind, pattern, .. } in places {
                let queue = match (kind, &request.options.durable) {
                    (Kind::Queue, _) => self.routing.queue(pattern.name()),
                    (Kind::Topic, Some(durable)) => {
                        self.make_durable(durable, &pattern, &request.options, operation).ok()
                    }
                    _ => None,
                };
                if let Some(queue) = queue {
                    queue.prepare_delivery(operation);
                }
            }
        });
    }

    /// Adds a subscription, as in SUBSCRIBE.
    ///
    /// `on_active` is called once the subscription is certain, and before the first message for it
    /// goes to any sink: the place to send a RECEIPT from. Any message that is sent after
    /// `on_active` was called reaches the subscriber. It is told how the subscription begins, in the
    /// history of its destination. Others who publish to this destination may
    /// have to wait for it, so it must be quick; like a sink, it must not call the broker.
    ///
    /// A queue then delivers to `sink` what it has.
    ///
    /// Several destinations may be given, as for [`send`](Self::send). `on_active` is then called
    /// before the first message from any of them.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; `on_active` is not called then, and nothing has changed. Of several destinations one
    /// may still be refused behind `on_active` that another thread takes at this moment.
    pub fn subscribe(
        &self,
        now: Timestamp,
        request: Subscribe<'_, S>,
        on_active: impl FnOnce(Beginning),
        sink: &mut dyn Sink<S>,
    ) -> Result<(), SubscribeError> {
        let session = self.sessions.find_or_insert(request.session);
        let mut routes = lock(&session.routes);
        let Admitted { places, replaced } = self.admit(&request, &mut routes)?;
        if places.len() > 1 {
            self.check_places(&places, &request.options)?;
        }
        // Nothing is refused any more until the operation, which detaches them.
        let replaced = replaced.iter().flat_map(|id| routes.remove(id.as_str())).collect();
        let mut on_active = Some(on_active);
        let mut on_active = |beginning: Beginning| {
            if let Some(on_active) = on_active.take() {
                on_active(match places.len() {
                    1 => beginning,
                    _ => Beginning::without_history(request.options.rewind.as_ref()),
                });
            }
        };
        self.operate(now, sink, |operation| {
            self.detach_all(replaced, operation);
            for place in &places {
                let mut subscription = self.subscription(&request, place, &session, &mut routes);
                if places.len() > 1 {
                    // One position cannot be in the histories of several destinations.
                    let options = SubscribeOptions { rewind: None, ..request.options.clone() };
                    subscription.set_options(options);
                }
                let subscription = Arc::new(subscription);
                let attached = match &request.options.durable {
                    Some(durable) if place.kind == Kind::Topic => self.attach_durable(
                        durable,
                        &place.pattern,
                        subscription,
                        &mut routes,
                        &mut on_active,
                        operation,
                    ),
                    _ => {
                        let member = request.options.member.as_ref();
                        self.join(
                            place,
                            member,
                            subscription,
                            &mut routes,
                            &mut on_active,
                            operation,
                        )
                    }
                };
                if let Err(error) = attached {
                    let parts = routes.remove(request.id.as_str());
                    self.detach_all(parts, operation);
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    /// Finds out where a subscription is to be attached that the session may have.
    fn admit(
        &self,
        request: &Subscribe<'_, S>,
        routes: &mut Routes<S>,
    ) -> Result<Admitted, SubscribeError> {
        let destination =
            Destination::parse(request.destination).map_err(SubscribeError::InvalidDestination)?;
        let addresses = self.addresses_of(&destination, request.options.routing_type)?;
        if request.class.subscription.as_ref().is_some_and(|id| is_reserved(id.as_str())) {
            return Err(SubscribeError::ReservedId { id: request.id.clone() });
        }
        let replaced = replaced(&addresses, routes);
        self.check_request(request, addresses.len(), &replaced, routes)?;
        let addresses = addresses.into_iter();
        let places = addresses.map(|(called, it)| self.place(called, it, &request.options, routes));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let is_durable =
            |place: &Place| place.kind == Kind::Topic && request.options.durable.is_some();
        if places.len() > 1 && places.iter().any(is_durable) {
            return Err(SubscribeError::DurableToSeveral { destination });
        }
        // Nobody could send to the topic for want of this one subscriber.
        let overflow = request.options.arguments.overflow;
        let refuses = matches!(overflow, Some(QueueOverflow::Wait | QueueOverflow::Refuse));
        if refuses && places.iter().any(is_durable) {
            return Err(SubscribeError::DurableMayNotRefuse { destination });
        }
        Ok(Admitted { places, replaced })
    }

    /// What the destination stands for, or each of several: as it was written, and what that means.
    fn addresses_of(
        &self,
        destination: &Destination,
        routing_type: Option<RoutingType>,
    ) -> Result<Vec<(Destination, Address)>, SubscribeError> {
        let resolve = |part: &str| {
            let called =
                Destination::parse_part(part).map_err(SubscribeError::InvalidDestination)?;
            let address = self.routing.addresses().resolve(&called, || routing_type)?;
            Ok((called, address))
        };
        destination.parts().map(resolve).collect()
    }

    fn place(
        &self,
        called: Destination,
        address: Address,
        options: &SubscribeOptions,
        routes: &mut Routes<S>,
    ) -> Result<Place, SubscribeError> {
        let pattern_of =
            |name| DestinationPattern::of(name).map_err(SubscribeError::InvalidDestination);
        let (kind, pattern) = match address {
            Address::Topic(name) => {
                let pattern = pattern_of(name)?;
                if pattern.has_idle_wildcard() {
                    let pattern = pattern.as_str().into();
                    return Err(SubscribeError::IdleWildcard { pattern });
                }
                (Kind::Topic, pattern)
            }
            Address::Exchange(name) => (Kind::Topic, DestinationPattern::exact(name)),
            Address::Queue(name) => (Kind::Queue, pattern_of(name)?),
            Address::ExistingQueue(name) => {
                let (kind, pattern) = (Kind::Queue, pattern_of(name)?);
                let (ownership, missing) = (Ownership::Everybody, MissingQueue::Refuse);
                return Ok(Place { kind, pattern, called, ownership, missing });
            }
            Address::Presence(name) => {
                let pattern = pattern_of(name)?;
                if !pattern.is_exact() {
                    return Err(SubscribeError::NoPresence { destination: called });
                }
                (Kind::Presence, pattern)
            }
            Address::User(_) => {
                let name = self.own_user_topic(&called, options.user.as_deref())?;
                let (kind, pattern) = (Kind::User, DestinationPattern::exact(name));
                let (ownership, missing) = (Ownership::Session, MissingQueue::Create);
                return Ok(Place { kind, pattern, called, ownership, missing });
            }
            Address::Own(kind, _) => {
                let name = self.own_name_in(routes, kind, &called)?;
                let (kind, pattern) = (kind.kind(), DestinationPattern::exact(name));
                let (ownership, missing) = (Ownership::Session, MissingQueue::Create);
                return Ok(Place { kind, pattern, called, ownership, missing });
            }
            Address::Remote(..) => return Err(SubscribeError::NotOwn { destination: called }),
        };
        if kind != Kind::Topic && !pattern.is_exact() {
            return Err(SubscribeError::PatternOfQueues { pattern: pattern.as_str().into() });
        }
        let (ownership, missing) = (Ownership::Everybody, options.missing);
        Ok(Place { kind, pattern, called, ownership, missing })
    }

    /// Whether the session may have a subscription of so many parts, once those are gone that it
    /// replaces, each of which has one part.
    pub(super) fn check_request(
        &self,
        request: &Subscribe<'_, S>,
        parts: usize,
        replaced: &[SubscriptionId],
        routes: &Routes<S>,
    ) -> Result<(), SubscribeError> {
        let session_subscriptions_max = self.limits().session_subscriptions_max;
        let others = routes.len().saturating_sub(replaced.len());
        if routes.is_disconnected() {
            Err(SubscribeError::Disconnected)
        } else if routes.has_id(request.id.as_str()) && !replaced.contains(&request.id) {
            Err(SubscribeError::DuplicateId { id: request.id.clone() })
        } else if others.saturating_add(parts) > session_subscriptions_max {
            Err(SubscribeError::TooManySubscriptions { session_subscriptions_max })
        } else {
            Ok(())
        }
    }

    pub(super) fn subscription(
        &self,
        request: &Subscribe<'_, S>,
        place: &Place,
        session: &Session<S>,
        routes: &mut Routes<S>,
    ) -> Subscription<S> {
        Subscription {
            session: request.session,
            subscriber: request.subscriber.clone(),
            id: request.id.clone(),
            destination: place.called.clone(),
            ownership: place.ownership,
            ack: request.ack,
            class: request.class.clone(),
            serial: self.next_serial(),
            number: routes.next_number(),
            options: request.options.boxed(),
            flow: Arc::clone(&session.flow),
        }
    }

    /// Attaches a subscription. Its session is then a member where presence is told.
    fn join(
        &self,
        place: &Place,
        member: Option<&MemberInfo>,
        subscription: Arc<Subscription<S>>,
        routes: &mut Routes<S>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SubscribeError> {
        let Some(presence) = self.presence_to_join(&place.pattern)? else {
            return self.attach(place, subscription, routes, on_active, operation);
        };
        let session = subscription.session;
        let attached = self.attach(place, subscription, routes, on_active, operation);
        if attached.is_ok() {
            self.joins(&place.pattern, session, member, operation);
        } else {
            let companion = DestinationPattern::exact(presence.name().clone());
            self.routing.close_if_vacant(&companion, &(presence as _), operation);
        }
        attached
    }

    pub(super) fn attach(
        &self,
        place: &Place,
        subscription: Arc<Subscription<S>>,
        routes: &mut Routes<S>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SubscribeError> {
        let pattern = &place.pattern;
        if place.kind == Kind::Topic && !pattern.is_exact() {
            // Nobody changes what is retained until the subscriber has it.
            let retained = self.routing.retained().alone();
            self.attach_to(place, &subscription, routes, on_active, operation)?;
            self.give_retained(retained.matching(pattern), &subscription, operation);
            return Ok(());
        }
        self.attach_to(place, &subscription, routes, on_active, operation)
    }

    fn attach_to(
        &self,
        place: &Place,
        subscription: &Arc<Subscription<S>>,
        routes: &mut Routes<S>,
        on_active: &mut dyn FnMut(Beginning),
        operation: &mut Operation<'_, S>,
    ) -> Result<(), SubscribeError> {
        let pattern = &place.pattern;
        loop {
            let destination: Arc<dyn DestinationKind<S>> = match place.kind {
                Kind::Topic | Kind::TemporaryTopic => {
                    self.routing.open_topic(pattern, place.kind, operation.now)?
                }
                Kind::Queue => self.open_queue(place, subscription.options(), operation)?,
                Kind::Presence => self.presence_to_subscribe(pattern.name())?,
                Kind::User => self.routing.open_user(pattern.name()),
                Kind::TemporaryQueue => {
                    let allowance = routes.allowance(self.limits());
                    self.routing.open_temporary(pattern.name(), allowance)?
                }
            };
            let attached = attach_route(
                pattern,
                &destination,
                subscription,
                routes,
                &mut *on_active,
                operation,
            );
            match attached {
                Ok(()) => return Ok(()),
                Err(NotAttached::Exclusive) => {
                    return Err(SubscribeError::Exclusive { destination: place.called.clone() });
                }
                Err(NotAttached::Occupied) => {
                    return Err(SubscribeError::Occupied { destination: place.called.clone() });
                }
                Err(NotAttached::Unprepared) => {
                    return Err(SubscribeError::Unprepared { queue: pattern.name().clone() });
                }
                Err(NotAttached::Retired) => self.routing.close(pattern, &destination),
            }
        }
    }

    fn open_queue(
        &self,
        place: &Place,
        options: &SubscribeOptions,
        operation: &mut Operation<'_, S>,
    ) -> Result<Arc<dyn DestinationKind<S>>, SubscribeError> {
        let name = place.pattern.name();
        queue_name(name)
            .map_err(|_| SubscribeError::PatternOfQueues { pattern: name.as_str().into() })?;
        let queue = match place.missing {
            MissingQueue::Create => self.routing.open_queue(name, &Role::Named)?,
            MissingQueue::Refuse => {
                let missing = || SubscribeError::NoSuchQueue { queue: name.clone() };
                self.routing.queue(name).ok_or_else(missing)?
            }
        };
        match queue.declare(&options.arguments, operation) {
            Err(Refusal::ArgumentDiffers(argument)) => {
                Err(SubscribeError::ArgumentDiffers { queue: name.clone(), argument })
            }
            // A queue that has retired says so to the subscription, too.
            _ => Ok(queue),
        }
    }
}

/// The ids of the subscriptions that the broker has made to temporary queues to which the session
/// subscribes itself now.
fn replaced<S>(addresses: &[(Destination, Address)], routes: &Routes<S>) -> Vec<SubscriptionId> {
    let called = |id: &SubscriptionId| {
        let is_own = |address: &Address| matches!(address, Address::Own(..));
        addresses.iter().any(|(called, it)| called.as_str() == id.as_str() && is_own(it))
    };
    let automatic = routes.iter().filter(|route| is_automatic(route));
    automatic.map(|route| &route.subscription.id).filter(|id| called(id)).cloned().collect()
}

/// Puts a subscription on record, and attaches it. What goes wrong changes nothing.
pub(super) fn attach_route<S>(
    pattern: &DestinationPattern,
    destination: &Arc<dyn DestinationKind<S>>,
    subscription: &Arc<Subscription<S>>,
    routes: &mut Routes<S>,
    on_active: &mut dyn FnMut(Beginning),
    operation: &mut Operation<'_, S>,
) -> Result<(), NotAttached> {
    // On record first: whatever happens, a disconnect finds it.
    routes.insert(Route {
        pattern: pattern.clone(),
        destination: Arc::clone(destination),
        subscription: Arc::clone(subscription),
    });
    let attached = destination.on_subscribe(subscription, on_active, operation);
    if attached.is_err() {
        routes.remove_part(subscription);
    }
    attached
}
