//! What clients may do: whatever they want is asked about here, before anything is done of it.

use std::sync::Arc;

use tidings_broker::{Destination, DurableName};
use tidings_stomp::{
    Error, Event, Headers, ReceiptId, Severity, Subscribe, SubscriptionId, TransactionAction,
};
use tracing::Span;

use super::frame_span::span_of_frame;
use super::granted::NoRoom;
use super::session::StompSession;
use crate::endpoint::{Principal, Session};
use crate::messaging::{Refusal, Rulebook, Subject};

/// What a client wants, and the span of all that is done of it.
pub(super) struct Taken {
    pub(super) event: Event,
    pub(super) span: Span,
    pub(super) standing: Standing,
}

/// Whether a client may have what it wants.
pub(super) enum Standing {
    /// It may.
    Permitted,
    /// The interceptors have to see it before anybody asks.
    Unseen,
}

impl StompSession {
    /// The next thing that the client wants. Nothing else takes events from the protocol, so that none is done which the
    /// interceptors have not seen and the rules have not allowed.
    pub(super) fn next_event(&mut self, session: &Session) -> Option<Taken> {
        let event = self.server.poll_event()?;
        let span = span_of_frame(session, &event);
        if !self.shared.interceptors.is_empty() {
            return Some(Taken { event, span, standing: Standing::Unseen });
        }
        let event = span.in_scope(|| self.permitted(session, event))?;
        Some(Taken { event, span, standing: Standing::Permitted })
    }

    /// An event, if the client may have what it wants. CONNECT is [asked about](Self::check_connect) when it is known who
    /// the client is.
    pub(super) fn permitted(&mut self, session: &Session, event: Event) -> Option<Event> {
        let Some(rules) = &self.shared.rules else { return Some(event) };
        if let Event::Subscribe(subscribe) = &event {
            let rules = Arc::clone(rules);
            return self.permits_subscribe(&rules, session, subscribe).then_some(event);
        }
        match self.check_event(rules, session, &event) {
            Ok(()) => Some(event),
            Err(refusal) => {
                self.fail_for_good(session, refusal, receipt_of(event));
                None
            }
        }
    }

    /// Whether a client may subscribe; it is told if not.
    fn permits_subscribe(
        &mut self,
        rules: &Rulebook,
        session: &Session,
        subscribe: &Subscribe,
    ) -> bool {
        let Subscribe { id, destination, headers, receipt, .. } = subscribe;
        let hub = Arc::clone(&self.shared.hub);
        let claims = rules.claims_of_subscribe(&hub, subscribe);
        if let Err(NoRoom) = self.note_granted(session, subscribe, &claims) {
            let advice = "The server does not remember more of them. Unsubscribe from some, or connect once more.";
            let error = Error::new("too many subscriptions", advice).with_receipt(receipt.clone());
            self.server.refuse_subscription(id, &error);
            return false;
        }
        let principal = session.principal();
        let subject = subject(session, principal.as_ref(), headers);
        let named = self.named_durable(headers, id.as_str(), Some(destination));
        let of_durable = || named.map_or(Ok(()), |it| rules.check_durable(&hub, &subject, &it));
        match rules.check(&claims, &subject).and_then(|()| of_durable()) {
            Ok(()) => true,
            Err(refusal) => {
                self.fail_for_good(session, refusal, receipt.clone());
                false
            }
        }
    }

    /// Whether a client may open its session, once it is known who it is.
    pub(super) fn check_connect(
        &self,
        session: &Session,
        principal: Option<&Principal>,
        headers: &Headers,
    ) -> Result<(), Error> {
        let Some(rules) = &self.shared.rules else { return Ok(()) };
        let subject = Subject { principal, handshake: session.handshake(), headers };
        Ok(rules.check_connect(&subject)?)
    }

    fn check_event(
        &self,
        rules: &Rulebook,
        session: &Session,
        event: &Event,
    ) -> Result<(), Refusal> {
        match event {
            // Its authenticator is asked.
            Event::Send(send) if self.is_renewal(send) => Ok(()),
            Event::Send(send) => self.check_send(rules, session, send),
            Event::Transaction(actions, _) => actions.iter().try_for_each(|action| match action {
                TransactionAction::Send(send) => self.check_send(rules, session, send),
                TransactionAction::Ack(_) | TransactionAction::Nack(_) => Ok(()),
            }),
            Event::Unsubscribe { id, headers, .. } => {
                let own = self.shared.hub.broker().destination_of(self.key, id.as_str());
                let destination = own.as_ref().map(Destination::as_str);
                let named = self.named_durable(headers, id.as_str(), destination);
                self.check_durable(rules, session, headers, named)
            }
            Event::UnsubscribeUnknown { id, headers, .. } => {
                let (id, destination) = (id.as_ref(), headers.get("destination"));
                let id = id.map_or("", SubscriptionId::as_str);
                let named = self.named_durable(headers, id, destination);
                self.check_durable(rules, session, headers, named)
            }
            // They are about what the client has been given, or about nothing at all.
            Event::Ack(_) | Event::Nack(_) | Event::Disconnect { .. } | Event::Failed(_) => Ok(()),
            // Whoever may do these is asked about elsewhere.
            Event::Connect(_) | Event::Subscribe(_) => Ok(()),
            unknown => {
                unreachable!("the protocol has an event that rules know nothing of: {unknown:?}")
            }
        }
    }

    fn check_send(
        &self,
        rules: &Rulebook,
        session: &Session,
        send: &tidings_stomp::Send,
    ) -> Result<(), Refusal> {
        let principal = session.principal();
        let subject = subject(session, principal.as_ref(), &send.headers);
        rules.check_send(&self.shared.hub, &subject, &send.destination)
    }

    /// The durable subscription that a SUBSCRIBE or an UNSUBSCRIBE is about. What is wrong with its headers is told by whoever
    /// does it.
    fn named_durable(
        &self,
        headers: &Headers,
        id: &str,
        destination: Option<&str>,
    ) -> Option<DurableName> {
        let named = DurableName::from_headers(headers, id, destination, &self.owner);
        named.unwrap_or_default()
    }

    /// An UNSUBSCRIBE may end a durable subscription.
    fn check_durable(
        &self,
        rules: &Rulebook,
        session: &Session,
        headers: &Headers,
        named: Option<DurableName>,
    ) -> Result<(), Refusal> {
        let Some(durable) = named else { return Ok(()) };
        let principal = session.principal();
        let subject = subject(session, principal.as_ref(), headers);
        rules.check_durable(&self.shared.hub, &subject, &durable)
    }

    /// Tells the client what it may not do, which ends the session.
    fn fail_for_good(&mut self, session: &Session, refusal: Refusal, receipt: Option<ReceiptId>) {
        // As a text, of which control characters are escaped: the client has chosen the destination.
        let refused = refusal.to_string();
        tracing::info!(session = %session.log_id(), refused, "refused by rules");
        self.fail(refusal, Severity::Session, receipt);
    }
}

pub(super) fn subject<'a>(
    session: &'a Session,
    principal: Option<&'a Principal>,
    headers: &'a Headers,
) -> Subject<'a> {
    Subject { principal, handshake: session.handshake(), headers }
}

/// The receipt that a frame asks for.
fn receipt_of(event: Event) -> Option<ReceiptId> {
    match event {
        Event::Send(send) => send.receipt,
        Event::Transaction(_, receipt)
        | Event::Unsubscribe { receipt, .. }
        | Event::UnsubscribeUnknown { receipt, .. } => receipt,
        _ => None,
    }
}
