//! Subscriptions to several destinations.

use std::collections::HashSet;

use super::Broker;
use super::subscribing::Place;
use crate::error::SubscribeError;
use crate::kind::{Kind, NotAttached};
use crate::pattern::DestinationPattern;
use crate::presence;
use crate::subscription::{Access, Exclusivity, MissingQueue, SubscribeOptions};

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Whether a subscription can be attached to all of its places. Its RECEIPT leaves with the first one, so
    /// none of the others should be refused afterwards.
    pub(super) fn check_places(
        &self,
        places: &[Place],
        options: &SubscribeOptions,
    ) -> Result<(), SubscribeError> {
        let mut made = HashSet::new();
        let mut taken = HashSet::new();
        for place in places {
            match place.kind {
                Kind::Queue => self.check_queue(place, options)?,
                Kind::Topic => made.extend(self.missing_presence(place)?),
                Kind::Presence if !self.has_presence_at(place.pattern.name()) => {
                    let destination = place.called.clone();
                    return Err(SubscribeError::NoPresence { destination });
                }
                Kind::Presence | Kind::TemporaryQueue | Kind::TemporaryTopic | Kind::User => {}
            }
            let is_alone =
                options.exclusivity == Exclusivity::Alone && options.access == Access::Consume;
            let takes = is_alone && matches!(place.kind, Kind::Queue | Kind::TemporaryQueue);
            if takes && !taken.insert(&place.pattern) {
                return Err(SubscribeError::Exclusive { destination: place.called.clone() });
            }
            if place.kind != Kind::User && self.routing.find(&place.pattern).is_none() {
                made.insert(place.pattern.clone());
            }
        }
        Ok(self.routing.check_places(made.len())?)
    }

    fn check_queue(&self, place: &Place, options: &SubscribeOptions) -> Result<(), SubscribeError> {
        let name = place.pattern.name();
        let Some(queue) = self.routing.queue(name) else {
            return match place.missing {
                MissingQueue::Create => Ok(()),
                MissingQueue::Refuse => Err(SubscribeError::NoSuchQueue { queue: name.clone() }),
            };
        };
        let differs = |argument| SubscribeError::ArgumentDiffers { queue: name.clone(), argument };
        queue.check_arguments(&options.arguments).map_err(differs)?;
        match queue.check_subscriber(options) {
            Err(NotAttached::Exclusive) => {
                Err(SubscribeError::Exclusive { destination: place.called.clone() })
            }
            Err(NotAttached::Occupied) => {
                Err(SubscribeError::Occupied { destination: place.called.clone() })
            }
            Err(NotAttached::Unprepared) => Err(SubscribeError::Unprepared { queue: name.clone() }),
            // It will be made anew.
            Ok(()) | Err(NotAttached::Retired) => Ok(()),
        }
    }

    /// The presence that has to be made for whoever joins a topic.
    fn missing_presence(
        &self,
        place: &Place,
    ) -> Result<Option<DestinationPattern>, SubscribeError> {
        if !self.has_presence(&place.pattern) {
            return Ok(None);
        }
        let companion = presence::companion_of(place.pattern.name());
        let companion = companion.map_err(SubscribeError::InvalidDestination)?;
        let is_missing = self.routing.presence(&companion).is_none();
        Ok(is_missing.then(|| DestinationPattern::exact(companion)))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{DestinationPolicy, PresencePolicy};
    use crate::recording::{Recording, now, request, to};
    use crate::stomp::AckMode;
    use crate::{DestinationPattern, Exclusivity, QueueArguments, Subscribe, SubscribeError};

    const AUTO: AckMode = AckMode::Auto;

    /// A broker with room for four destinations, three of which there are.
    fn recording() -> Recording {
        let mut recording = Recording::with_options(|options| {
            options.limits.destinations_max = 4;
            let presence = Some(PresencePolicy::default());
            let policy = DestinationPolicy { presence, ..Default::default() };
            options.policies.push(DestinationPattern::parse("/topic/room").unwrap(), policy);
        });
        recording.send("/queue/waiting", "m").unwrap();
        recording.subscribe_to(9, "/queue/taken", AUTO, &[("exclusive", "true")]).unwrap();
        recording.send_with(0, "/queue/short", &[("x-max-length", "7")], "m").unwrap();
        recording
    }

    #[track_caller]
    fn check_refused(
        destination: &str,
        change: impl FnOnce(&mut Subscribe<'_, u64>),
        is_it: impl FnOnce(&SubscribeError) -> bool,
    ) {
        let mut recording = recording();
        let mut request = request(1, "a", destination, AUTO);
        change(&mut request);
        let on_active = |_| panic!("it was confirmed");
        let refused = recording.broker.subscribe(now(), request, on_active, &mut recording.log);
        assert!(is_it(refused.as_ref().unwrap_err()), "{refused:?}");
        assert_eq!(recording.bodies(), to(&[]));
        assert_eq!(recording.broker.stats().destinations, 3, "nothing of it is left");
    }

    #[test]
    fn what_is_refused_for_one_of_its_destinations_is_not_confirmed() {
        use SubscribeError as E;
        let as_it_is = |_: &mut Subscribe<'_, u64>| {};
        check_refused(
            "/queue/waiting,/queue/taken",
            as_it_is,
            |error| matches!(error, E::Exclusive { destination } if destination.as_str() == "/queue/taken"),
        );
        check_refused("/queue/waiting,/amq/queue/none", as_it_is, |error| {
            matches!(error, E::NoSuchQueue { .. })
        });
        check_refused("/queue/waiting,/topic/a,/topic/b", as_it_is, |error| {
            *error == E::TooManyDestinations { destinations_max: 4 }
        });
        check_refused("/queue/waiting,/topic/room", as_it_is, |error| {
            *error == E::TooManyDestinations { destinations_max: 4 }
        });
        check_refused("/queue/waiting,/presence/topic/other", as_it_is, |error| {
            matches!(error, E::NoPresence { .. })
        });
        check_refused(
            "/queue/waiting,/queue/short",
            |request| {
                let arguments = QueueArguments { messages_max: Some(8), ..Default::default() };
                request.options.arguments = arguments;
            },
            |error| matches!(error, E::ArgumentDiffers { argument: "x-max-length", .. }),
        );
        check_refused(
            "/queue/waiting,/queue/waiting",
            |request| request.options.exclusivity = Exclusivity::Alone,
            |error| matches!(error, E::Exclusive { .. }),
        );
    }

    #[test]
    fn several_destinations_are_confirmed_once_before_their_messages() {
        let mut recording = recording();
        let request = request(1, "a", "/queue/waiting,/queue/short,/topic/a", AUTO);
        let mut confirmed = 0;
        let on_active = |_| confirmed += 1;
        recording.broker.subscribe(now(), request, on_active, &mut recording.log).unwrap();
        assert_eq!((confirmed, recording.bodies()), (1, to(&[(1, "m"), (1, "m")])));
    }
}
