//! Destinations of users.

use std::sync::Arc;

use bytes::Bytes;

use super::{Broker, Sent};
use crate::destination::Destination;
use crate::error::{SendError, SubscribeError};
use crate::kind::DestinationKind;
use crate::message::Message;
use crate::operation::Operation;
use crate::pattern::DestinationPattern;
use crate::sink::Sink;
use crate::stomp::{self, Headers};
use crate::subscription::SessionKey;
use crate::timestamp::Timestamp;
use crate::user_destination::UserDestination;

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Takes a message that comes from no session, for the sessions of a user, or for one of them. What a
    /// session sends to `/user/NAME/PATH` goes the same way.
    ///
    /// It reaches those that have subscribed to the path; without any it is gone. The `destination` of
    /// its MESSAGE frames is what they have subscribed to.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the user's name or the path is missing, or a header cannot be understood.
    pub fn send_to_user(
        &self,
        now: Timestamp,
        to: UserDestination<'_>,
        headers: Headers,
        body: Bytes,
        sink: &mut dyn Sink<S>,
    ) -> Result<Sent, SendError> {
        let destination = self.routing.addresses().user_topic_at(to.user, to.path)?;
        let (properties, _) = stomp::asked_for_message(now, &headers)?;
        let (_, headers) = stomp::take_arguments(headers)?;
        let message_id = self.message_ids.next();
        let sender = None;
        let message =
            Arc::new(Message { destination, message_id, headers, body, properties, sender });
        self.operate(now, sink, |operation| {
            let subscribers = self.send_to_sessions(to.session, &message, operation);
            Ok(Sent { message_id: message.message_id.clone(), subscribers })
        })
    }

    /// To all sessions of the user whose destination it is, or to one.
    pub(super) fn send_to_sessions(
        &self,
        only: Option<SessionKey>,
        message: &Arc<Message>,
        operation: &mut Operation<'_, S>,
    ) -> usize {
        if message.properties.expires_at.is_some_and(|at| at <= operation.now) {
            return 0;
        }
        let Some(topic) = self.routing.user(&message.destination) else { return 0 };
        match only {
            Some(session) => topic.send_to_session(session, message, operation),
            None => topic.on_send(message, operation).unwrap_or(0),
        }
    }

    /// The name of what a session of `user` calls so.
    pub(super) fn own_user_topic(
        &self,
        called: &Destination,
        user: Option<&str>,
    ) -> Result<Destination, SubscribeError> {
        let user = user.ok_or_else(|| SubscribeError::NoUser { destination: called.clone() })?;
        let addresses = self.routing.addresses();
        let path = DestinationPattern::parse(addresses.path_of_user(called));
        if !path.map_err(SubscribeError::InvalidDestination)?.is_exact() {
            return Err(SubscribeError::PatternOfUser { pattern: called.as_str().into() });
        }
        Ok(addresses.user_topic(user, called)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::recording::{Got, Recording, now, request, to};
    use crate::stomp::AckMode;
    use crate::{
        AckTarget, DestinationPattern, DestinationPolicy, Kind, NackAction, PresencePolicy,
        SendError, Sent, SessionKey, SubscribeError, UserDestination,
    };

    const AUTO: AckMode = AckMode::Auto;

    impl Recording {
        /// A session of a user subscribes.
        fn subscribe_as(
            &mut self,
            user: &str,
            session: u64,
            id: &str,
            destination: &str,
        ) -> Result<(), SubscribeError> {
            let mut request = request(session, id, destination, AUTO);
            request.options.user = Some(user.into());
            self.broker.subscribe(now(), request, |_| {}, &mut self.log)
        }

        fn send_to(
            &mut self,
            user: &str,
            session: Option<u64>,
            path: &str,
            body: &'static str,
        ) -> Result<Sent, SendError> {
            let to = UserDestination { user, session: session.map(SessionKey), path };
            let headers = Default::default();
            self.broker.send_to_user(now(), to, headers, body.into(), &mut self.log)
        }
    }

    /// Ann has two sessions, Bob one.
    fn recording() -> Recording {
        let mut recording = Recording::new();
        for (user, session) in [("ann", 1), ("ann", 2), ("bob", 3)] {
            recording.subscribe_as(user, session, "u", "/user/queue/a").unwrap();
        }
        recording
    }

    #[test]
    fn all_sessions_of_the_user_get_it_under_the_name_that_they_have_subscribed_to() {
        let mut recording = recording();
        assert_eq!(recording.send_from(3, "/user/ann/queue/a", &[], "1").unwrap().subscribers, 2);
        assert_eq!(recording.send_to("ann", None, "/queue/a", "2").unwrap().subscribers, 2);
        assert_eq!(recording.send_to("ann", None, "queue/a", "3").unwrap().subscribers, 2);
        assert_eq!(recording.send_to("ann", None, "/queue/b", "4").unwrap().subscribers, 0);
        assert_eq!(recording.send_to("eve", None, "/queue/a", "5").unwrap().subscribers, 0);
        let got = recording.take();
        let called = |got: &Got| got.destination == "/user/queue/a" && got.subscription == "u";
        assert!(got.iter().all(called), "{got:?}");
        let got: Vec<_> = got.into_iter().map(|got| (got.session, got.body)).collect();
        let expected = [(1, "1"), (2, "1"), (1, "2"), (2, "2"), (1, "3"), (2, "3")];
        assert_eq!(got, to(&expected));
    }

    #[test]
    fn one_session_of_a_user_gets_what_is_for_it_alone() {
        let mut recording = recording();
        recording.subscribe_as("ann", 2, "again", "/user/queue/a").unwrap();
        let mut selective = request(2, "selective", "/user/queue/a", AUTO);
        selective.options.user = Some("ann".into());
        selective.options.selector = Some(crate::Selector::parse("kind = 'x'").unwrap());
        recording.broker.subscribe(now(), selective, |_| {}, &mut recording.log).unwrap();
        assert_eq!(recording.send_to("ann", Some(2), "/queue/a", "1").unwrap().subscribers, 2);
        assert_eq!(recording.bodies(), to(&[(2, "1"), (2, "1")]));
        assert_eq!(recording.send_to("ann", Some(3), "/queue/a", "2").unwrap().subscribers, 0);
        assert_eq!(recording.send_to("ann", Some(4), "/queue/a", "3").unwrap().subscribers, 0);
    }

    #[test]
    fn nobody_names_the_destination_of_another() {
        let mut recording = Recording::with_options(|options| {
            options.topic_prefixes = vec!["/topic/".to_owned(), "/".to_owned()];
        });
        recording.subscribe_as("ann", 1, "u", "/user/queue/a").unwrap();
        let others = [
            "/user/ann/queue/a",
            "/user%2Fann/queue/a",
            "/user%2Fann%2Fqueue%2Fa",
            "/queue/a",
            "/**",
            "/topic/user/ann/queue/a",
            "/*/ann/queue/a",
            "/user%2F**",
        ];
        for (at, other) in others.iter().enumerate() {
            let id = at.to_string();
            recording.subscribe_as("eve", 9, &id, other).unwrap();
        }
        for pattern in ["/user/**", "/user/*/queue/a", "/user/queue/#", "/user/>"] {
            let refused = recording.subscribe_as("eve", 9, "pattern", pattern);
            assert_eq!(refused, Err(SubscribeError::PatternOfUser { pattern: pattern.into() }));
        }
        recording.send_to("ann", None, "/queue/a", "1").unwrap();
        recording.send("/user/ann/queue/a", "2").unwrap();
        assert_eq!(recording.bodies(), to(&[(1, "1"), (1, "2")]));
    }

    #[test]
    fn what_is_sent_elsewhere_does_not_come_to_a_user() {
        let mut recording = Recording::with_options(|options| {
            options.topic_prefixes = vec!["/topic/".to_owned(), "/".to_owned()];
        });
        recording.subscribe_as("ann", 1, "u", "/user/queue/a").unwrap();
        let elsewhere =
            ["/user%2Fann/queue/a", "/queue/a", "/user/ann/queue/%61", "/user/Ann/queue/a"];
        for elsewhere in elsewhere {
            recording.send(elsewhere, "m").unwrap();
        }
        assert_eq!(recording.bodies(), to(&[]));
    }

    #[test]
    fn who_is_nobody_has_no_destinations_of_a_user() {
        let mut recording = Recording::new();
        let refused = recording.subscribe(1, "a", "/user/queue/a", AUTO).unwrap_err();
        assert!(matches!(refused, SubscribeError::NoUser { .. }), "{refused:?}");
        assert_eq!(recording.broker.stats().destinations, 0);
    }

    #[test]
    fn a_subscription_is_as_any_other() {
        let mut recording = recording();
        let duplicate = recording.subscribe_as("ann", 1, "u", "/user/queue/b");
        assert!(matches!(duplicate, Err(SubscribeError::DuplicateId { .. })));
        let mut confirmed = 0;
        let mut several = request(4, "both", "/user/queue/a,/topic/t", AckMode::ClientIndividual);
        several.options.user = Some("bob".into());
        let on_active = |_| confirmed += 1;
        recording.broker.subscribe(now(), several, on_active, &mut recording.log).unwrap();
        assert_eq!(confirmed, 1);
        recording.send("/user/bob/queue/a,/topic/t", "m").unwrap();
        let got = recording.take();
        let named: Vec<_> = got.iter().map(|it| (it.session, it.destination.as_str())).collect();
        assert_eq!(named, [(4, "/user/queue/a"), (3, "/user/queue/a"), (4, "/topic/t")]);
        let ack = got[0].ack.as_deref().unwrap();
        recording.ack(4, ack).unwrap();
        recording.nack(4, ack, NackAction::Requeue).unwrap();
        let target = AckTarget::Message { subscription: Some("u"), message_id: &got[1].message_id };
        recording.broker.ack(now(), SessionKey(3), target, &mut recording.log).unwrap();
        assert_eq!(recording.bodies(), to(&[]), "there is nothing to settle");
        recording.unsubscribe(3, "u");
        recording.send("/user/bob/queue/a", "m").unwrap();
        assert_eq!(recording.bodies(), to(&[(4, "m")]));
    }

    #[test]
    fn it_ends_with_the_last_session_and_counts_for_no_limit_of_destinations() {
        let mut recording = Recording::with_limits(|limits| limits.destinations_max = 0);
        recording.subscribe_as("ann", 1, "a", "/user/queue/a").unwrap();
        recording.subscribe_as("ann", 2, "a", "/user/queue/a").unwrap();
        recording.subscribe_as("ann", 2, "b", "/user/queue/b,/user/queue/c").unwrap();
        assert_eq!(recording.broker.stats().destinations, 3);
        let stats = recording.stats("/user/ann/queue/a").unwrap();
        assert_eq!((stats.kind, stats.subscriptions), (Kind::User, 2));
        recording.disconnect(2);
        assert_eq!(recording.broker.stats().destinations, 1);
        recording.unsubscribe(1, "a");
        assert_eq!(recording.broker.stats().destinations, 0);
    }

    #[test]
    fn nothing_of_it_is_kept() {
        let mut recording = Recording::with_options(|options| {
            let presence = Some(PresencePolicy::default());
            let policy = DestinationPolicy { presence, ..Default::default() };
            options.policies.push(DestinationPattern::parse("**").unwrap(), policy);
        });
        let headers = [("persistent", "true"), ("retain", "set"), ("x-max-length", "1")];
        recording.send_from(1, "/user/ann/queue/a", &headers, "m").unwrap();
        assert_eq!((recording.broker.stats().destinations, recording.log.changes.len()), (0, 0));
        recording.subscribe_as("ann", 1, "a", "/user/queue/a").unwrap();
        recording.send_with(0, "/user/ann/queue/a", &[("expires", "1")], "late").unwrap();
        assert_eq!(recording.bodies(), to(&[]));
        assert_eq!(recording.broker.stats().destinations, 1, "nor is its presence");
    }

    #[test]
    fn what_names_no_user_or_no_path_is_refused() {
        let mut recording = Recording::new();
        for destination in ["/user/ann", "/user/ann/"] {
            let refused = recording.send(destination, "m").unwrap_err();
            assert!(matches!(refused, SendError::UnknownDestination(_)), "{refused:?}");
        }
        let refused = recording.subscribe_as("ann", 1, "a", "/user/").unwrap_err();
        assert!(matches!(refused, SubscribeError::UnknownDestination(_)), "{refused:?}");
    }
}
