use std::collections::VecDeque;
use std::fmt;

use bytes::BytesMut;
use tidings_stomp::{Client, ClientError, ClientEvent, Error, Message, ReceiptId};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use crate::clock;
use crate::testing::PATIENCE;

/// A STOMP client's connection, driven only while its test waits for something.
pub(super) struct Connection {
    stream: DuplexStream,
    pub(super) client: Client,
    /// Those that nobody has asked for yet.
    messages: VecDeque<Message>,
    /// What ended it.
    end: Option<End>,
}

/// Why what was waited for has not come.
#[derive(Clone, Debug)]
pub(super) enum Unmet {
    TookTooLong,
    Ended(End),
}

/// Why a connection is over.
#[derive(Clone, Debug)]
pub(super) enum End {
    Error(Error),
    Failed(ClientError),
    /// The other end has closed it without a word.
    Closed,
}

impl Connection {
    pub(super) fn new(stream: DuplexStream, client: Client) -> Self {
        Self { stream, client, messages: VecDeque::new(), end: None }
    }

    /// Waits for something, and keeps the messages that come before it.
    pub(super) async fn until<T>(
        &mut self,
        found: impl Fn(&ClientEvent) -> Option<T>,
    ) -> Result<T, Unmet> {
        let wait = async {
            loop {
                let event = self.event().await?;
                if let Some(found) = found(&event) {
                    return Ok(found);
                }
                match event {
                    ClientEvent::Message(message) => self.messages.push_back(message),
                    ClientEvent::Error(error) if error.receipt.is_none() => {
                        self.end = Some(End::Error(error));
                    }
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or(Err(Unmet::TookTooLong))
    }

    /// Waits until a frame that asks for this receipt is done with. The inner error is the answer ERROR.
    pub(super) async fn confirmed(
        &mut self,
        receipt: &ReceiptId,
    ) -> Result<Result<(), Error>, Unmet> {
        let answer = |event: &ClientEvent| match event {
            ClientEvent::Receipt { id, .. } if id == receipt => Some(Ok(())),
            ClientEvent::Error(error) if error.receipt.as_ref() == Some(receipt) => {
                Some(Err(error.clone()))
            }
            _ => None,
        };
        let answer = self.until(answer).await?;
        if answer.is_err() {
            // Unless the server closes the connection.
            self.client.go_on();
        }
        Ok(answer)
    }

    /// Waits for the next message.
    pub(super) async fn message(&mut self) -> Result<Message, Unmet> {
        if let Some(message) = self.messages.pop_front() {
            return Ok(message);
        }
        let message = |event: &ClientEvent| match event {
            ClientEvent::Message(message) => Some(message.clone()),
            _ => None,
        };
        self.until(message).await
    }

    /// Waits until the other end has closed the connection.
    pub(super) async fn ended(&mut self) -> Result<End, Unmet> {
        match self.until(|_| None::<()>).await {
            Err(Unmet::Ended(end)) => Ok(end),
            Err(unmet) => Err(unmet),
            Ok(()) => Ok(End::Closed),
        }
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    async fn event(&mut self) -> Result<ClientEvent, Unmet> {
        let mut input = BytesMut::new();
        loop {
            while let Some(octets) = self.client.poll_transmit() {
                if self.stream.write_all(&octets).await.is_err() {
                    break;
                }
            }
            match self.client.poll_event() {
                Some(ClientEvent::Failed(error)) => return Err(Unmet::Ended(End::Failed(error))),
                Some(event) => return Ok(event),
                None => {}
            }
            if let Ok(1..) = self.stream.read_buf(&mut input).await {
                self.client.handle_input(clock::instant(), input.split().freeze());
            } else {
                return Err(Unmet::Ended(self.end.clone().unwrap_or(End::Closed)));
            }
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TookTooLong => f.write_str("it did not come"),
            Self::Ended(end) => write!(f, "the session has ended: {end}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => told(error).fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Closed => f.write_str("it was closed"),
        }
    }
}

/// All that an ERROR says.
pub(super) fn told(error: &Error) -> String {
    format!("ERROR, {}: {}", error.message, error.body.trim_end())
}
