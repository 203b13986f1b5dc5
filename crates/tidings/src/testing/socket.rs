use std::future::Future;
use std::panic::Location;

use http::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio::time::timeout;

use super::TestApp;
use super::failing::{Caller, PATIENCE, SILENCE, fail, unwrap};
use crate::WebSocket;
use crate::client::{ClientBuilder, ConnectError};
use crate::endpoint::{Json, Principal};

/// A WebSocket on its way to an endpoint. Made by [`TestApp::websocket`].
#[must_use = "nothing is connected until `connect`"]
#[derive(Debug)]
pub struct TestSocketBuilder {
    app: TestApp,
    path: String,
    principal: Option<Principal>,
    subprotocols: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl TestSocketBuilder {
    pub(super) fn new(app: &TestApp, path: &str) -> Self {
        let (app, path) = (app.clone(), path.to_owned());
        Self { app, path, principal: None, subprotocols: Vec::new(), headers: Vec::new() }
    }

    /// Who it is, as if a layer in front of the application had found out.
    pub fn user(self, name: &str) -> Self {
        self.principal(Principal::new(name))
    }

    /// The same with roles, or for a time.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Offers subprotocols, the favourite first.
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a field to the request.
    ///
    /// # Panics
    ///
    /// When that is no field of HTTP.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = name.parse().expect("a field's name is a token");
        let value = value.parse().expect("a field's value is printable");
        self.headers.push((name, value));
        self
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// When the application refuses it.
    #[track_caller]
    pub fn connect(self) -> impl Future<Output = TestSocket> + Send {
        let caller = Location::caller();
        async move { unwrap(caller, self.try_connect().await) }
    }

    /// Connects, or says why the application refuses it.
    ///
    /// # Errors
    ///
    /// As [`Client::open`](crate::client::Client::open).
    pub async fn try_connect(self) -> Result<TestSocket, ConnectError> {
        let Self { app, path, principal, subprotocols, headers } = self;
        let client = app.client_of(principal).subprotocols(subprotocols);
        let with_header = |client: ClientBuilder, (name, value)| client.header(name, value);
        let client = headers.into_iter().fold(client, with_header).build();
        let socket = client.open(&format!("ws://test{path}")).await?;
        Ok(TestSocket { socket })
    }
}

/// The client's end of a WebSocket under test. Whatever is not as expected panics, and says so with the place in the
/// test.
#[derive(Debug)]
pub struct TestSocket {
    socket: WebSocket,
}

impl TestSocket {
    /// Sends a message.
    ///
    /// # Panics
    ///
    /// When the connection is closed.
    #[track_caller]
    pub fn send(&mut self, message: impl Into<Message> + Send) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        async move { unwrap(caller, self.socket.send(message).await) }
    }

    /// Takes the next message.
    ///
    /// # Panics
    ///
    /// When none comes within [`PATIENCE`], or the connection ends.
    #[track_caller]
    pub fn next_message(&mut self) -> impl Future<Output = Message> + Send {
        let caller = Location::caller();
        async move { self.take(caller).await }
    }

    /// Takes the next message, which is text.
    ///
    /// # Panics
    ///
    /// As [`next_message`](Self::next_message), and when it is not.
    #[track_caller]
    pub fn next_text(&mut self) -> impl Future<Output = String> + Send {
        let caller = Location::caller();
        async move {
            match self.take(caller).await {
                Message::Text(text) => text,
                other @ Message::Binary(_) => {
                    fail(caller, format_args!("expected text, got {other:?}"))
                }
            }
        }
    }

    /// Takes the next message, which is JSON that says a `T`.
    ///
    /// # Panics
    ///
    /// As [`next_message`](Self::next_message), and when it is not.
    #[track_caller]
    pub fn next_json<T: DeserializeOwned>(&mut self) -> impl Future<Output = T> + Send {
        let caller = Location::caller();
        async move {
            let message = self.take(caller).await;
            let decoded: Result<Json<T>, _> =
                crate::endpoint::FromMessage::from_message(message.clone());
            let told = |error| format!("expected another JSON document than {message:?}: {error}");
            unwrap(caller, decoded.map_err(told)).0
        }
    }

    /// Sees that nothing comes for [`SILENCE`].
    ///
    /// # Panics
    ///
    /// When a message comes, or the connection ends.
    #[track_caller]
    pub fn assert_silent(&mut self) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        async move {
            match timeout(SILENCE, self.socket.next()).await {
                Err(_) => {}
                Ok(Some(message)) => {
                    fail(caller, format_args!("expected silence, got {message:?}"))
                }
                Ok(None) => fail(caller, self.end()),
            }
        }
    }

    /// Waits for the other end to close the connection, and says why it did.
    ///
    /// # Panics
    ///
    /// When a message comes, or nothing within [`PATIENCE`].
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = CloseReason> + Send {
        let caller = Location::caller();
        async move {
            match timeout(PATIENCE, self.socket.next()).await {
                Err(_) => fail(caller, "expected the end of the connection, which goes on"),
                Ok(Some(message)) => fail(
                    caller,
                    format_args!("expected the end of the connection, got {message:?}"),
                ),
                Ok(None) => {
                    self.socket.close_reason().unwrap_or_else(|| fail(caller, "no reason to close"))
                }
            }
        }
    }

    /// Closes the connection with 1000, and waits until it is.
    #[track_caller]
    pub fn close(mut self) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        async move {
            self.socket.close(CloseCode::NORMAL_CLOSURE.into());
            let ended = async { while self.socket.next().await.is_some() {} };
            if timeout(PATIENCE, ended).await.is_err() {
                fail(caller, "the application does not close the connection");
            }
        }
    }

    async fn take(&mut self, caller: Caller) -> Message {
        match timeout(PATIENCE, self.socket.next()).await {
            Ok(Some(message)) => message,
            Ok(None) => fail(caller, self.end()),
            Err(_) => fail(caller, "expected a message, and none came"),
        }
    }

    fn end(&self) -> String {
        match self.socket.close_reason() {
            Some(reason) => format!("the connection has ended: {reason:?}"),
            None => "the connection has ended".to_owned(),
        }
    }
}
