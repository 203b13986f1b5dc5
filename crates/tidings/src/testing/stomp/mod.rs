//! A STOMP client for tests.

mod connection;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tidings_stomp::{
    AckMode, Acknowledge, Client, ClientEvent, ClientOptions, Error, Headers, Message, ReceiptId,
    Requeue, Send, SubscriptionId, Version,
};
use tokio::time::timeout;

use self::connection::{Connection, End, Unmet, told};
use super::failing::{Caller, SILENCE, fail, unwrap};
use crate::App;
use crate::clock;
use crate::endpoint::{Json, Principal};
use crate::messaging::{FromPayload, HandlerError, IntoPayload};
use crate::server::InProcess;

/// A STOMP client on its way to an application. Made by [`TestApp::stomp`](super::TestApp::stomp).
#[must_use = "nothing is connected until `connect`"]
#[derive(Debug)]
pub struct TestStompBuilder {
    app: App,
    principal: Option<Principal>,
    options: ClientOptions,
}

impl TestStompBuilder {
    pub(super) fn new(app: App) -> Self {
        let options = ClientOptions {
            heart_beat: (Duration::ZERO, Duration::ZERO),
            ..ClientOptions::default()
        };
        Self { app, principal: None, options }
    }

    /// Who it is, as if a layer in front of the application had found out. An
    /// [authenticator](crate::messaging::Authenticator) is asked all the same, and finds it in
    /// [`Login::verified`](crate::messaging::Login::verified); [`login`](Self::login) is for one that wants a passcode.
    pub fn user(self, name: &str) -> Self {
        self.principal(Principal::new(name))
    }

    /// The same with roles, or for a time.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Logs in by CONNECT.
    pub fn login(mut self, login: &str, passcode: &str) -> Self {
        self.options.login = Some(login.to_owned());
        self.options.passcode = Some(passcode.to_owned());
        self
    }

    /// Adds a header to CONNECT.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.options.headers.push(name, value);
        self
    }

    /// Offers this version alone. Default: all of them.
    pub fn version(mut self, version: Version) -> Self {
        self.options.versions = vec![version];
        self
    }

    /// Says how often it can send heart-beats and how often it wants them. It sends none, whatever it says: the
    /// application finds it silent. Default: none.
    pub fn heart_beat(mut self, send: Duration, receive: Duration) -> Self {
        self.options.heart_beat = (send, receive);
        self
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// When the application refuses it.
    #[track_caller]
    pub fn connect(self) -> impl Future<Output = TestStomp> + std::marker::Send {
        let caller = Location::caller();
        async move {
            let connected = self.open().await;
            let connected =
                unwrap(caller, connected.map_err(|unmet| format!("no CONNECTED: {unmet}")));
            unwrap(caller, connected.map_err(|error| told(&error)))
        }
    }

    /// Connects, or returns the ERROR by which the application refuses it.
    ///
    /// # Panics
    ///
    /// When neither comes.
    ///
    /// # Errors
    ///
    /// What the application said.
    #[track_caller]
    pub fn try_connect(self) -> impl Future<Output = Result<TestStomp, Error>> + std::marker::Send {
        let caller = Location::caller();
        async move { unwrap(caller, self.open().await) }
    }

    async fn open(self) -> Result<Result<TestStomp, Error>, Unmet> {
        let stream = InProcess::new(self.app, self.principal).stomp(None);
        let client = Client::new(clock::instant(), self.options);
        let mut connection = Connection::new(stream, client);
        let answer = |event: &ClientEvent| match event {
            ClientEvent::Connected { headers, .. } => Some(Ok(headers.clone())),
            ClientEvent::Error(error) => Some(Err(error.clone())),
            _ => None,
        };
        let answer = connection.until(answer).await?;
        Ok(answer.map(|connected| TestStomp { connection, connected, last: 0 }))
    }
}

/// A STOMP client under test. Whatever is not as expected panics, and says so with the place in the test.
///
/// It asks for a receipt with each frame and waits for it, so that what it has done is done: a handler has replied, a
/// message is on its way to all who get it.
pub struct TestStomp {
    connection: Connection,
    connected: Headers,
    /// Of the ids of its subscriptions and receipts.
    last: u64,
}

impl TestStomp {
    /// The headers of CONNECTED.
    pub fn connected(&self) -> &Headers {
        &self.connected
    }

    /// Subscribes to a destination.
    ///
    /// # Panics
    ///
    /// When the application refuses it.
    #[track_caller]
    pub fn subscribe(
        &mut self,
        destination: &str,
    ) -> impl Future<Output = SubscriptionId> + std::marker::Send {
        self.subscribe_with(destination, AckMode::Auto, [("", ""); 0])
    }

    /// The same with an ack mode and with headers, a selector for example.
    ///
    /// # Panics
    ///
    /// As [`subscribe`](Self::subscribe).
    #[track_caller]
    pub fn subscribe_with(
        &mut self,
        destination: &str,
        ack: AckMode,
        headers: impl Into<Headers>,
    ) -> impl Future<Output = SubscriptionId> + std::marker::Send {
        let (caller, headers) = (Location::caller(), headers.into());
        async move {
            let subscribed = self.request_subscription(caller, destination, ack, &headers).await;
            let refused =
                |error| format!("SUBSCRIBE to {destination} was refused: {}", told(&error));
            unwrap(caller, subscribed.map_err(refused))
        }
    }

    /// Subscribes to a destination, or returns the ERROR by which the application refuses it.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    ///
    /// # Errors
    ///
    /// What the application said.
    #[track_caller]
    pub fn try_subscribe(
        &mut self,
        destination: &str,
    ) -> impl Future<Output = Result<SubscriptionId, Error>> + std::marker::Send {
        self.try_subscribe_with(destination, AckMode::Auto, [("", ""); 0])
    }

    /// The same with an ack mode and with headers.
    ///
    /// # Panics
    ///
    /// As [`try_subscribe`](Self::try_subscribe).
    ///
    /// # Errors
    ///
    /// As [`try_subscribe`](Self::try_subscribe).
    #[track_caller]
    pub fn try_subscribe_with(
        &mut self,
        destination: &str,
        ack: AckMode,
        headers: impl Into<Headers>,
    ) -> impl Future<Output = Result<SubscriptionId, Error>> + std::marker::Send {
        let (caller, headers) = (Location::caller(), headers.into());
        async move { self.request_subscription(caller, destination, ack, &headers).await }
    }

    async fn request_subscription(
        &mut self,
        caller: Caller,
        destination: &str,
        ack: AckMode,
        headers: &Headers,
    ) -> Result<SubscriptionId, Error> {
        let receipt = self.receipt();
        let id = SubscriptionId::from(format!("s-{}", self.last).as_str());
        let client = &mut self.connection.client;
        unwrap(caller, client.subscribe(&id, destination, ack, headers, Some(&receipt)));
        self.confirm(caller, &receipt).await.map(|()| id)
    }

    /// Ends a subscription. What has come of it before can still be taken.
    ///
    /// # Panics
    ///
    /// When the application refuses it.
    #[track_caller]
    pub fn unsubscribe(
        &mut self,
        id: &SubscriptionId,
    ) -> impl Future<Output = ()> + std::marker::Send {
        let caller = Location::caller();
        async move {
            let receipt = self.receipt();
            let client = &mut self.connection.client;
            unwrap(caller, client.unsubscribe(id, &Headers::default(), Some(&receipt)));
            let done = self.confirm(caller, &receipt).await;
            unwrap(caller, done.map_err(|error| told(&error)));
        }
    }

    /// Sends a message, and waits until the application is done with it: its handler has ended and what that
    /// replied is on its way, or the broker has it.
    ///
    /// # Panics
    ///
    /// When the application refuses it, or its handler fails.
    #[track_caller]
    pub fn send(
        &mut self,
        destination: &str,
        payload: impl IntoPayload,
    ) -> impl Future<Output = ()> + std::marker::Send {
        self.send_with(destination, payload, [("", ""); 0])
    }

    /// The same with headers.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    #[track_caller]
    pub fn send_with(
        &mut self,
        destination: &str,
        payload: impl IntoPayload,
        headers: impl Into<Headers>,
    ) -> impl Future<Output = ()> + std::marker::Send {
        let caller = Location::caller();
        let send = message(destination, payload, headers.into());
        async move {
            let sent = self.request_send(caller, unwrap(caller, send)).await;
            let refused = |error| format!("SEND to {destination} failed: {}", told(&error));
            unwrap(caller, sent.map_err(refused));
        }
    }

    /// Sends a message, or returns the ERROR by which the application refuses it.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    ///
    /// # Errors
    ///
    /// What the application said.
    #[track_caller]
    pub fn try_send(
        &mut self,
        destination: &str,
        payload: impl IntoPayload,
    ) -> impl Future<Output = Result<(), Error>> + std::marker::Send {
        self.try_send_with(destination, payload, [("", ""); 0])
    }

    /// The same with headers.
    ///
    /// # Panics
    ///
    /// As [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    #[track_caller]
    pub fn try_send_with(
        &mut self,
        destination: &str,
        payload: impl IntoPayload,
        headers: impl Into<Headers>,
    ) -> impl Future<Output = Result<(), Error>> + std::marker::Send {
        let caller = Location::caller();
        let send = message(destination, payload, headers.into());
        async move { self.request_send(caller, unwrap(caller, send)).await }
    }

    async fn request_send(&mut self, caller: Caller, send: Send) -> Result<(), Error> {
        let receipt = self.receipt();
        let send = Send { receipt: Some(receipt.clone()), ..send };
        unwrap(caller, self.connection.client.send(&send, None));
        self.confirm(caller, &receipt).await
    }

    /// Says that a message has been consumed: ACK.
    ///
    /// # Panics
    ///
    /// When the application refuses it, or the message need not be acknowledged.
    #[track_caller]
    pub fn ack(&mut self, message: &Message) -> impl Future<Output = ()> + std::marker::Send {
        self.settle(message, Client::ack, Location::caller())
    }

    /// Says that a message has not been consumed: NACK.
    ///
    /// # Panics
    ///
    /// As [`ack`](Self::ack).
    #[track_caller]
    pub fn nack(&mut self, message: &Message) -> impl Future<Output = ()> + std::marker::Send {
        self.settle(message, Client::nack, Location::caller())
    }

    async fn settle(&mut self, message: &Message, settle: Settle, caller: Caller) {
        let Some(target) = message.ack.clone() else {
            fail(caller, "the message has nothing to acknowledge it by")
        };
        let receipt = self.receipt();
        let (requeue, asked) = (Requeue::default(), Some(receipt.clone()));
        let acknowledge = Acknowledge { target, requeue, receipt: asked };
        unwrap(caller, settle(&mut self.connection.client, &acknowledge, None));
        let done = self.confirm(caller, &receipt).await;
        unwrap(caller, done.map_err(|error| told(&error)));
    }

    /// Takes the next message of whichever subscription.
    ///
    /// # Panics
    ///
    /// When none comes within [`PATIENCE`](super::PATIENCE), or the session ends.
    #[track_caller]
    pub fn next_message(&mut self) -> impl Future<Output = Message> + std::marker::Send {
        let caller = Location::caller();
        async move { self.take(caller).await }
    }

    /// Takes the next message, which is text.
    ///
    /// # Panics
    ///
    /// As [`next_message`](Self::next_message), and when it is not.
    #[track_caller]
    pub fn next_text(&mut self) -> impl Future<Output = String> + std::marker::Send {
        let caller = Location::caller();
        async move { decode(caller, self.take(caller).await) }
    }

    /// Takes the next message, which is JSON that says a `T`.
    ///
    /// # Panics
    ///
    /// As [`next_message`](Self::next_message), and when it is not.
    #[track_caller]
    pub fn next_json<T: DeserializeOwned>(
        &mut self,
    ) -> impl Future<Output = T> + std::marker::Send {
        let caller = Location::caller();
        async move {
            let Json(document) = decode(caller, self.take(caller).await);
            document
        }
    }

    /// Sees that no message comes for [`SILENCE`], and that none is there.
    ///
    /// # Panics
    ///
    /// When one is there or comes, or the session ends.
    #[track_caller]
    pub fn assert_silent(&mut self) -> impl Future<Output = ()> + std::marker::Send {
        let caller = Location::caller();
        async move {
            match timeout(SILENCE, self.connection.message()).await {
                Err(_) => {}
                Ok(Ok(message)) => {
                    fail(caller, format_args!("expected silence, got {}", summary(&message)))
                }
                Ok(Err(unmet)) => fail(caller, format_args!("expected silence, but {unmet}")),
            }
        }
    }

    /// Waits for the application to end the session, and returns the ERROR by which it does.
    ///
    /// # Panics
    ///
    /// When it does not within [`PATIENCE`](super::PATIENCE), or without an ERROR.
    #[track_caller]
    pub fn ended(&mut self) -> impl Future<Output = Error> + std::marker::Send {
        let caller = Location::caller();
        async move {
            match self.connection.ended().await {
                Ok(End::Error(error)) => error,
                Ok(end) => fail(caller, format_args!("expected ERROR, but {end}")),
                Err(unmet) => {
                    fail(caller, format_args!("expected the end of the session, but {unmet}"))
                }
            }
        }
    }

    /// Sends DISCONNECT, and waits until the application is done with all that came before.
    ///
    /// # Panics
    ///
    /// When the session has ended already.
    #[track_caller]
    pub fn disconnect(mut self) -> impl Future<Output = ()> + std::marker::Send {
        let caller = Location::caller();
        async move {
            let receipt = self.receipt();
            unwrap(caller, self.connection.client.disconnect(receipt.clone()));
            let done = self.confirm(caller, &receipt).await;
            unwrap(caller, done.map_err(|error| told(&error)));
        }
    }

    fn receipt(&mut self) -> ReceiptId {
        self.last += 1;
        ReceiptId::from(format!("r-{}", self.last).as_str())
    }

    async fn confirm(&mut self, caller: Caller, receipt: &ReceiptId) -> Result<(), Error> {
        match self.connection.confirmed(receipt).await {
            Ok(answer) => answer,
            // Without the receipt that was asked for.
            Err(Unmet::Ended(End::Error(error))) => Err(error),
            Err(unmet) => fail(caller, format_args!("no receipt: {unmet}")),
        }
    }

    async fn take(&mut self, caller: Caller) -> Message {
        let message = self.connection.message().await;
        unwrap(caller, message.map_err(|unmet| format!("expected a message: {unmet}")))
    }
}

type Settle = fn(
    &mut Client,
    &Acknowledge,
    Option<&tidings_stomp::TransactionId>,
) -> Result<(), tidings_stomp::NotSent>;

fn message(
    destination: &str,
    payload: impl IntoPayload,
    mut headers: Headers,
) -> Result<Send, HandlerError> {
    let payload = payload.into_payload()?;
    if let Some(content_type) = payload.content_type {
        headers.push("content-type", content_type);
    }
    Ok(Send { destination: destination.into(), headers, body: payload.body, receipt: None })
}

fn decode<T: FromPayload>(caller: Caller, message: Message) -> T {
    let told = |error| format!("expected another payload than {}: {error}", summary(&message));
    unwrap(caller, T::from_payload(message.body.clone()).map_err(told))
}

fn summary(message: &Message) -> String {
    let body = String::from_utf8_lossy(&message.body);
    format!("MESSAGE from {}: {body:?}", message.destination)
}

impl fmt::Debug for TestStomp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept: Vec<_> = self.connection.kept().map(summary).collect();
        f.debug_struct("TestStomp").field("kept", &kept).finish_non_exhaustive()
    }
}
