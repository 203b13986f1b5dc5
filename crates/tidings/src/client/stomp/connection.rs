//! One connection: its STOMP session, and what comes by it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tidings_stomp::{Client, ClientEvent, ClientOptions, Headers, NotSent, Version};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio::sync::oneshot;

use super::ConnectionEnd;
use super::incoming::Refusal;
use super::operation::{ConnectionNumber, Operation};
use super::position::Position;
use super::shared::Shared;
use super::subscriptions::Record;
use crate::endpoint::{CloseInfo, Endpoint, EndpointError, Session};
use crate::server::stomp::SUBPROTOCOLS;

/// The STOMP session of one connection.
pub(super) struct Connection {
    pub(super) number: ConnectionNumber,
    stomp: Mutex<Client>,
    opened: OnceLock<Opened>,
}

/// What the server said in CONNECTED.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) version: Version,
    pub(super) headers: Headers,
}

impl Connection {
    pub(super) fn new(number: ConnectionNumber, options: ClientOptions) -> Self {
        let stomp = Mutex::new(Client::new(Instant::now(), options));
        Self { number, stomp, opened: OnceLock::new() }
    }

    pub(super) fn opened(&self) -> Option<&Opened> {
        self.opened.get()
    }

    /// Whether it is a RabbitMQ that answers: replies come to its sessions without SUBSCRIBE.
    pub(super) fn is_rabbitmq(&self) -> bool {
        let server = self.opened().and_then(|opened| opened.headers.get("server"));
        server.is_some_and(|server| server.starts_with("RabbitMQ"))
    }

    /// The frame of an operation; none where it has become pointless. `record` is what a SUBSCRIBE is about.
    pub(super) fn encode(
        &self,
        operation: &Operation,
        receipt: Option<&tidings_stomp::ReceiptId>,
        record: Option<&Record>,
    ) -> Result<Option<Bytes>, NotSent> {
        let mut stomp = self.lock();
        match operation {
            Operation::Send { send, transaction } => {
                let send = tidings_stomp::Send { receipt: receipt.cloned(), ..send.clone() };
                stomp.send(&send, transaction.as_ref())
            }
            Operation::Subscribe(id) => match record {
                Some(record) => {
                    let headers = Position::resume(record.position.as_ref(), &record.headers);
                    stomp.subscribe(id, &record.destination, record.ack, &headers, receipt)
                }
                None => return Ok(None),
            },
            Operation::Unsubscribe { id, headers } => stomp.unsubscribe(id, headers, receipt),
            Operation::Ack { acknowledge, transaction } => {
                let receipt = receipt.cloned();
                let acknowledge = tidings_stomp::Acknowledge { receipt, ..acknowledge.clone() };
                stomp.ack(&acknowledge, transaction.as_ref())
            }
            Operation::Nack { acknowledge, transaction } => {
                let receipt = receipt.cloned();
                let acknowledge = tidings_stomp::Acknowledge { receipt, ..acknowledge.clone() };
                stomp.nack(&acknowledge, transaction.as_ref())
            }
            Operation::Begin(id) => stomp.begin(id, receipt),
            Operation::Commit(id) => stomp.commit(id, receipt),
            Operation::Abort(id) => stomp.abort(id, receipt),
            Operation::Disconnect => {
                let nobody = tidings_stomp::ReceiptId::from("bye");
                stomp.disconnect(receipt.cloned().unwrap_or(nobody))
            }
        }?;
        Ok(stomp.poll_transmit())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Client> {
        self.stomp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes in what comes by a connection. An endpoint whose messages are pieces of STOMP's stream, as on the
/// server's side.
pub(super) struct Receiver {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    opened: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Sender<ConnectionEnd>>,
    /// What the session ended with, where that is known before the stream's end.
    end: Option<ConnectionEnd>,
}

impl Receiver {
    /// With what tells that the session is open, and how it has ended.
    pub(super) fn new(
        shared: Arc<Shared>,
        connection: Arc<Connection>,
    ) -> (Self, oneshot::Receiver<()>, oneshot::Receiver<ConnectionEnd>) {
        let (opened, is_open) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let (opened, ended) = (Some(opened), Some(ended));
        let receiver = Self { shared, connection, opened, ended, end: None };
        (receiver, is_open, has_ended)
    }

    async fn handle_event(&mut self, session: &Session, event: ClientEvent) {
        match event {
            ClientEvent::Connected { version, headers } => {
                if let Some(heart_beat) = self.connection.lock().heart_beat() {
                    session.vitals().set_heart_beat(heart_beat);
                }
                let _ = self.connection.opened.set(Opened { version, headers });
                if let Some(opened) = self.opened.take() {
                    let _ = opened.send(());
                }
            }
            ClientEvent::Message(message) => self.shared.deliver(&self.connection, message).await,
            ClientEvent::Receipt { id, headers } => self.shared.confirm(&id, &headers),
            ClientEvent::Cancelled { id, error } => self.shared.cancel(&id, &error),
            ClientEvent::Error(error) => match self.shared.refuse(&error) {
                Refusal::EndsSession => self.end = Some(ConnectionEnd::Error(error)),
                Refusal::OfWhatIsOver => {
                    self.connection.lock().go_on();
                    self.shared.go_on();
                }
            },
            ClientEvent::Failed(error) => self.end = Some(ConnectionEnd::Protocol(error)),
            _ => {}
        }
    }
}

impl Endpoint for Receiver {
    fn subprotocols(&self) -> &'static [&'static str] {
        SUBPROTOCOLS
    }

    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let connect = self.connection.lock().poll_transmit();
        if let Some(connect) = connect {
            session.send(connect_message(connect)).await?;
        }
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let input = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(octets) => octets,
        };
        self.connection.lock().handle_input(Instant::now(), input);
        loop {
            let event = self.connection.lock().poll_event();
            let Some(event) = event else { break };
            self.handle_event(session, event).await;
        }
        if self.connection.lock().is_closed() {
            session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let closed = || ConnectionEnd::Closed(info.reason.clone());
        let end = self.end.take().unwrap_or_else(closed);
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(end);
        }
    }
}

fn connect_message(frame: Bytes) -> Message {
    crate::hub::stomp_message(frame)
}
