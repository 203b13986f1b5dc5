//! What rules have let a client subscribe to, of which they are asked again when its login is another one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::Owner;
use tidings_stomp::{Subscribe, SubscriptionId};

use super::door::Shared;
use super::permitting::subject;
use super::session::StompSession;
use crate::endpoint::Session;
use crate::messaging::end_session;

/// The subscriptions of a session, as it has asked for them.
#[derive(Debug, Default)]
pub(super) struct Granted(Mutex<Vec<Subscribe>>);

impl StompSession {
    /// Remembers a subscription before the rules are asked about it, so that no change of the login comes in between.
    pub(super) fn note_granted(&mut self, session: &Session, subscribe: &Subscribe) {
        let granted = self.granted.get_or_insert_with(|| {
            let granted = Arc::new(Granted::default());
            let (shared, owner) = (Arc::clone(&self.shared), self.owner.clone());
            let of_session = Arc::clone(&granted);
            session.after_renewal(move |session| of_session.check(&shared, session, &owner));
            granted
        });
        granted.lock().push(subscribe.clone());
    }

    /// A subscription is there no longer, or never was.
    pub(super) fn forget_granted(&self, id: &SubscriptionId) {
        if let Some(granted) = &self.granted {
            granted.lock().retain(|subscribe| subscribe.id != *id);
        }
    }
}

impl Granted {
    /// Ends a session that has a subscription which it would not get any more.
    fn check(&self, shared: &Shared, session: &Session, owner: &Owner) {
        let Some(rules) = &shared.rules else { return };
        let principal = session.principal();
        // Closures may do whatever they like meanwhile.
        let subscriptions = self.lock().clone();
        let mut left = subscriptions.iter().filter(|it| !session.has_cancelled(&it.id));
        let refused = left.try_for_each(|subscribe| {
            let subject = subject(session, principal.as_ref(), &subscribe.headers);
            rules.check_subscribe(&shared.hub, &subject, subscribe, owner)
        });
        if let Err(refusal) = refused {
            let refused = refusal.to_string();
            tracing::info!(session = %session.log_id(), refused, "refused by rules after a new login");
            end_session(session, "access denied", &format!("{refused} any more."));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Subscribe>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
