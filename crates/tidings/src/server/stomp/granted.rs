//! What rules have let a client subscribe to, of which they are asked again when its login is another one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_broker::Claim;
use tidings_stomp::{Headers, Subscribe, SubscriptionId};

use super::door::Shared;
use super::permitting::subject;
use super::session::StompSession;
use crate::endpoint::Session;
use crate::messaging::end_session;

/// What each subscription counts beside its texts: 256 octets.
const OCTETS_EACH: usize = 256;

/// The subscriptions of a session, as far as rules have to know them.
#[derive(Debug, Default)]
pub(super) struct Granted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    grants: Vec<Arc<Grant>>,
    /// Of all of them.
    octets: usize,
}

#[derive(Debug)]
struct Grant {
    id: SubscriptionId,
    claims: Vec<Claim>,
    /// Those of the SUBSCRIBE if rules may look at them, and none otherwise.
    headers: Headers,
}

/// There is no room to remember a subscription.
pub(super) struct NoRoom;

impl StompSession {
    /// Remembers a subscription before the rules are asked about it, so that no change of the login comes in between.
    pub(super) fn note_granted(
        &mut self,
        session: &Session,
        subscribe: &Subscribe,
        claims: &[Claim],
    ) -> Result<(), NoRoom> {
        let Some(rules) = &self.shared.rules else { return Ok(()) };
        let looked_at = rules.look_at_headers().then(|| subscribe.headers.clone());
        let (id, headers) = (subscribe.id.clone(), looked_at.unwrap_or_default());
        let grant = Grant { id, claims: claims.to_vec(), headers };
        let granted = self.granted.get_or_insert_with(|| {
            let granted = Arc::new(Granted::default());
            let (shared, of_session) = (Arc::clone(&self.shared), Arc::clone(&granted));
            session.after_renewal(move |session| of_session.check(&shared, session));
            granted
        });
        granted.add(grant, self.shared.granted_octets_max)
    }

    /// A subscription is there no longer, or never was.
    pub(super) fn forget_granted(&self, id: &SubscriptionId) {
        if let Some(granted) = &self.granted {
            granted.forget(id);
        }
    }
}

impl Granted {
    fn add(&self, grant: Grant, octets_max: usize) -> Result<(), NoRoom> {
        let mut state = self.lock();
        let octets = state.octets + grant.octets();
        if octets > octets_max {
            return Err(NoRoom);
        }
        state.octets = octets;
        state.grants.push(Arc::new(grant));
        Ok(())
    }

    fn forget(&self, id: &SubscriptionId) {
        let mut state = self.lock();
        let State { grants, octets } = &mut *state;
        grants.retain(|grant| {
            let is_other = grant.id != *id;
            *octets -= if is_other { 0 } else { grant.octets() };
            is_other
        });
    }

    /// Ends a session that has a subscription which it would not get any more.
    fn check(&self, shared: &Shared, session: &Session) {
        let Some(rules) = &shared.rules else { return };
        let principal = session.principal();
        // Closures may do whatever they like meanwhile.
        let grants = self.lock().grants.clone();
        let mut left = grants.iter().filter(|it| !session.has_cancelled(&it.id));
        let refused = left.try_for_each(|grant| {
            rules.check(&grant.claims, &subject(session, principal.as_ref(), &grant.headers))
        });
        if let Err(refusal) = refused {
            let refused = refusal.to_string();
            tracing::info!(session = %session.log_id(), refused, "refused by rules after a new login");
            end_session(&shared.hub, session, "access denied", &format!("{refused} any more."));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    /// What it counts against the limit.
    fn octets(&self) -> usize {
        let of_claims = self.claims.iter().map(|it| size_of::<Claim>() + it.destination.len());
        let texts = self.id.as_str().len() + self.headers.kept_octets();
        OCTETS_EACH + texts + of_claims.sum::<usize>()
    }
}
