use std::fmt;
use std::sync::Arc;

use tidings_stomp::{Headers, Version};

use super::request::Request;
use super::send::SendRequest;
use super::shared::Shared;
use super::subscribe::SubscribeRequest;
use super::transaction::Transaction;
use super::{ConnectionEnd, StompConnectError, StompError};
use crate::messaging::FromPayload;

/// A client of a STOMP server, which is connected again when it loses its connection.
///
/// Cheap to clone; all clones are the same client. When the last of them is gone, and with them the subscriptions,
/// messages and transactions, what was sent still goes out, and the client disconnects. If there is no connection then, it
/// goes on trying to get one for that, as often as its [`Backoff`](crate::client::Backoff) allows and for as long as its
/// [`leave_timeout`](super::StompClientBuilder::leave_timeout).
///
/// # Examples
///
/// ```
/// use futures_util::StreamExt;
/// use serde::{Deserialize, Serialize};
/// use tidings::client::stomp::StompClient;
/// use tidings::endpoint::Json;
///
/// #[derive(Deserialize, Serialize)]
/// struct Price {
///     cents: u32,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let app = tidings::App::builder().build()?;
/// # let server = tidings::server::Server::new(app).stomp_listen("127.0.0.1:0").await?;
/// # let url = format!("stomp://{}", server.stomp_addrs()[0]);
/// # tokio::spawn(server.run_until(std::future::pending()));
/// let client = StompClient::connect(&url).await?;
/// let mut prices = client.subscribe::<Json<Price>>("/topic/prices").await?;
/// client.send("/topic/prices").json(&Price { cents: 250 }).receipt().await?;
///
/// let price = prices.next().await.expect("the subscription goes on")?;
/// assert_eq!(price.payload.0.cents, 250);
/// client.disconnect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StompClient {
    pub(super) shared: Arc<Shared>,
    _leave: Arc<LeaveWhenDropped>,
}

impl StompClient {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let leave = Arc::new(LeaveWhenDropped(Arc::clone(&shared)));
        Self { shared, _leave: leave }
    }

    /// Connects with the defaults of [`builder`](Self::builder) to the server at a `stomp`, `stomp+ssl`, `ws`, `wss`,
    /// `http` or `https` URL.
    ///
    /// # Errors
    ///
    /// As [`StompClientBuilder::connect`](super::StompClientBuilder::connect).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves no connection.
    pub async fn connect(url: &str) -> Result<Self, StompConnectError> {
        Self::builder().connect(url).await
    }

    /// Sends a message: SEND. Nothing happens until it is awaited.
    pub fn send(&self, destination: impl Into<String>) -> SendRequest {
        SendRequest::new(self.clone(), destination.into())
    }

    /// Subscribes to a destination: SUBSCRIBE. Nothing happens until it is awaited.
    ///
    /// `T` is what the bodies of messages say: [`Json`](crate::endpoint::Json), `String`, or `Bytes` for whatever it is.
    pub fn subscribe<T: FromPayload>(&self, destination: impl Into<String>) -> SubscribeRequest<T> {
        SubscribeRequest::new(self.clone(), destination.into())
    }

    /// Sends a message and waits for the reply to it. Nothing happens until it is awaited.
    ///
    /// The message says in `reply-to` and `correlation-id` where the reply belongs; whoever replies must repeat the
    /// latter, as [`Message::reply`](super::Message::reply) does.
    pub fn request<T: FromPayload>(&self, destination: impl Into<String>) -> Request<T> {
        Request::new(self.clone(), destination.into())
    }

    /// Starts a transaction: BEGIN.
    ///
    /// # Errors
    ///
    /// [`StompError::NotConnected`] if there is no connection now: a transaction does not outlive one.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may leave a transaction that nothing becomes of.
    pub async fn begin(&self) -> Result<Transaction, StompError> {
        let (id, connection) = self.shared.begin().await?;
        Ok(Transaction::new(self.clone(), id, connection))
    }

    /// Sends what waits, says goodbye, and waits until the server has answered: DISCONNECT with a receipt. All
    /// subscriptions of the client, and of its clones, end.
    ///
    /// # Errors
    ///
    /// [`StompError::Unconfirmed`] or [`StompError::ReceiptTimeout`] if the server does not answer. If messages wait and
    /// there is no connection, they wait for the next one: [`StompError::SendTimeout`] if there is none within the
    /// [receipt timeout](super::StompClientBuilder::receipt_timeout), and [`StompError::Lost`] if the client has given up
    /// before; they are not sent then. The client is over all the same.
    ///
    /// # Cancel safety
    ///
    /// The client disconnects, whether or not it is waited for.
    pub async fn disconnect(self) -> Result<(), StompError> {
        let Some(leaving) = self.shared.leave() else { return Ok(()) };
        let left = leaving.wait().await;
        if let Err(StompError::SendTimeout(_) | StompError::ReceiptTimeout(_)) = left {
            self.shared.give_up();
        }
        left
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.shared.connection().is_some()
    }

    /// The version of the session, if there is a connection now.
    pub fn version(&self) -> Option<Version> {
        self.shared.connection()?.opened().map(|opened| opened.version)
    }

    /// The headers of CONNECTED, if there is a connection now: `server` and `session` may be among them.
    pub fn connected_headers(&self) -> Option<Headers> {
        self.shared.connection()?.opened().map(|opened| opened.headers.clone())
    }

    /// Waits until the client is over: it has disconnected, or lost its connection and given up.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost with a dropped future.
    pub async fn ended(&self) -> ConnectionEnd {
        self.shared.ended().await
    }
}

impl fmt::Debug for StompClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StompClient").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// Disconnects when the last handle is gone.
struct LeaveWhenDropped(Arc<Shared>);

impl Drop for LeaveWhenDropped {
    fn drop(&mut self) {
        drop(self.0.leave());
    }
}
