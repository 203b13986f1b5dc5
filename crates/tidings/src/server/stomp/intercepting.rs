//! Interceptors see what a client sends, before it is asked whether the client may.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_stomp::{
    Command, Error, Event, Headers, ReceiptId, Severity, SubscriptionId, TransactionAction,
};

use super::session::{StompSession, is_closed_here};
use crate::endpoint::Session;
use crate::hub::Hub;
use crate::messaging::{InboundFrame, OutboundMessage, Outgoing, Verdict};

/// How long interceptors may think about a DISCONNECT, whose session ends in any case: 5 s.
const LAST_LOOK_TIME_MAX: Duration = Duration::from_secs(5);

impl StompSession {
    /// Shows an event to the interceptors, and does what is left of it.
    pub(super) async fn intercept(&mut self, session: &Session, event: Event) {
        let Some(event) = self.shown(session, event).await else { return };
        if is_closed_here(session) {
            // It was, while somebody thought about the frame.
            return;
        }
        let Some(event) = self.permitted(session, event) else { return };
        self.handle_event(session, event).await;
    }

    /// Shows the end of a session that has not told it.
    pub(super) async fn intercept_end(&mut self, session: &Session) {
        if self.connected && !mem::replace(&mut self.has_disconnected, true) {
            let mut frame = InboundFrame::new(Command::Disconnect);
            let shown = self.shared.interceptors.inbound(&mut frame, session);
            // It has ended, whatever they think of it.
            if tokio::time::timeout(LAST_LOOK_TIME_MAX, shown).await.is_err() {
                tracing::error!(session = %session.log_id(), "an interceptor hangs at DISCONNECT");
            }
        }
    }

    /// Sends a message that answers a subscription, to this session alone.
    pub(super) fn answer_with(
        &mut self,
        session: &Session,
        destination: &str,
        id: Option<&SubscriptionId>,
        reply: Outgoing,
    ) {
        let left = left_of(&self.shared.hub, session, destination, &reply);
        if let Some(left) = left {
            self.server.message(destination, id, &left.headers, &left.body);
        }
    }

    /// What the interceptors leave of an event.
    async fn shown(&mut self, session: &Session, event: Event) -> Option<Event> {
        match event {
            Event::Connect(mut connect) => {
                let shown = self.show(session, Command::Connect, None, &mut connect.headers).await;
                let advice = "The application lets nobody in who connects so.";
                if let Err(error) = shown.and_then(|verdict| match verdict {
                    Verdict::Pass => Ok(()),
                    Verdict::Drop => Err(Error::new("access denied", advice)),
                }) {
                    tracing::info!(session = %session.log_id(), message = error.message, "login refused");
                    self.server.refuse(error);
                    return None;
                }
                let header = |name| connect.headers.get(name).map(str::to_owned);
                (connect.login, connect.passcode) = (header("login"), header("passcode"));
                Some(Event::Connect(connect))
            }
            Event::Send(mut send) => {
                let shown = self.show_send(session, &mut send).await;
                self.left(session, shown, send.receipt.clone()).then_some(Event::Send(send))
            }
            Event::Subscribe(mut subscribe) => {
                let destination = Some(subscribe.destination.as_str().into());
                let headers = &mut subscribe.headers;
                let shown = self.show(session, Command::Subscribe, destination, headers).await;
                if !matches!(shown, Ok(Verdict::Pass)) {
                    self.server.cancel_subscription(&subscribe.id);
                }
                let is_left = self.left(session, shown, subscribe.receipt.clone());
                is_left.then_some(Event::Subscribe(subscribe))
            }
            Event::Unsubscribe { id, mut headers, receipt } => {
                let _ = self.show(session, Command::Unsubscribe, None, &mut headers).await;
                Some(Event::Unsubscribe { id, headers, receipt })
            }
            Event::UnsubscribeUnknown { id, mut headers, receipt } => {
                let _ = self.show(session, Command::Unsubscribe, None, &mut headers).await;
                Some(Event::UnsubscribeUnknown { id, headers, receipt })
            }
            Event::Ack(ack) => {
                let shown = self.show_bare(session, Command::Ack).await;
                self.left(session, shown, ack.receipt.clone()).then_some(Event::Ack(ack))
            }
            Event::Nack(nack) => {
                let shown = self.show_bare(session, Command::Nack).await;
                self.left(session, shown, nack.receipt.clone()).then_some(Event::Nack(nack))
            }
            Event::Transaction(actions, receipt) => {
                self.shown_transaction(session, actions, receipt).await
            }
            Event::Disconnect { receipt } => {
                self.intercept_end(session).await;
                Some(Event::Disconnect { receipt })
            }
            event => Some(event),
        }
    }

    /// What is left of a transaction. What is dropped of it is as if it had not been sent.
    async fn shown_transaction(
        &mut self,
        session: &Session,
        actions: Vec<TransactionAction>,
        receipt: Option<ReceiptId>,
    ) -> Option<Event> {
        let mut left = Vec::with_capacity(actions.len());
        for mut action in actions {
            let shown = match &mut action {
                TransactionAction::Send(send) => self.show_send(session, send).await,
                TransactionAction::Ack(_) => self.show_bare(session, Command::Ack).await,
                TransactionAction::Nack(_) => self.show_bare(session, Command::Nack).await,
            };
            match shown {
                Ok(Verdict::Pass) => left.push(action),
                Ok(Verdict::Drop) => self.receipt_after(session, None, receipt_of(action)),
                Err(error) => {
                    self.fail(error, Severity::Frame, receipt);
                    return None;
                }
            }
        }
        let shown = self.show_bare(session, Command::Commit).await;
        if shown == Ok(Verdict::Drop) {
            // All that is in it is dropped with it.
            let dropped = mem::take(&mut left);
            dropped.into_iter().for_each(|it| self.receipt_after(session, None, receipt_of(it)));
        }
        let is_left = self.left(session, shown, receipt.clone());
        is_left.then_some(Event::Transaction(left, receipt))
    }

    async fn show_send(
        &self,
        session: &Session,
        send: &mut tidings_stomp::Send,
    ) -> Result<Verdict, Error> {
        let mut frame = InboundFrame::new(Command::Send);
        frame.destination = Some(Arc::clone(&send.destination));
        frame.headers = mem::take(&mut send.headers);
        frame.body = mem::replace(&mut send.body, Bytes::new());
        let shown = self.ask(&mut frame, session).await;
        (send.headers, send.body) = (frame.headers, frame.body);
        shown
    }

    async fn show(
        &self,
        session: &Session,
        command: Command,
        destination: Option<Arc<str>>,
        headers: &mut Headers,
    ) -> Result<Verdict, Error> {
        let mut frame = InboundFrame::new(command);
        (frame.destination, frame.headers) = (destination, mem::take(headers));
        let shown = self.ask(&mut frame, session).await;
        *headers = frame.headers;
        shown
    }

    /// Asks the interceptors, who would hold the session for ever if they never answered.
    async fn ask(&self, frame: &mut InboundFrame, session: &Session) -> Result<Verdict, Error> {
        let asked = self.shared.interceptors.inbound(frame, session);
        let answer = tokio::time::timeout(self.shared.interceptor_timeout, asked).await;
        answer.unwrap_or_else(|_| {
            tracing::error!(session = %session.log_id(), "an interceptor took too long");
            Err(Error::new("interceptor failed", "The log of the application says why."))
        })
    }

    async fn show_bare(&self, session: &Session, command: Command) -> Result<Verdict, Error> {
        self.show(session, command, None, &mut Headers::default()).await
    }

    /// Whether anything is left to do of a frame; the client is told if not.
    fn left(
        &mut self,
        session: &Session,
        shown: Result<Verdict, Error>,
        receipt: Option<ReceiptId>,
    ) -> bool {
        match shown {
            Ok(Verdict::Pass) => return true,
            Ok(Verdict::Drop) => self.receipt_after(session, None, receipt),
            Err(error) => self.fail(error, Severity::Frame, receipt),
        }
        false
    }
}

fn receipt_of(action: TransactionAction) -> Option<ReceiptId> {
    match action {
        TransactionAction::Send(send) => send.receipt,
        TransactionAction::Ack(it) | TransactionAction::Nack(it) => it.receipt,
    }
}

/// What the interceptors leave of a message that one session gets from its handler.
pub(super) fn left_of<'m>(
    hub: &Hub,
    session: &Session,
    destination: &str,
    message: &'m Outgoing,
) -> Option<Cow<'m, Outgoing>> {
    let Some(outbound) = hub.outbound() else { return Some(Cow::Borrowed(message)) };
    let mut message = message.clone();
    let (headers, body) = (mem::take(&mut message.headers), mem::take(&mut message.body));
    let mut seen = OutboundMessage { destination: destination.into(), headers, body };
    if outbound.alone(&mut seen, session) == Verdict::Drop {
        return None;
    }
    (message.headers, message.body) = (seen.headers, seen.body);
    Some(Cow::Owned(message))
}
