//! A client of STOMP servers: Tidings, RabbitMQ, ActiveMQ and others.
//!
//! [`StompClient`] connects by TCP, TLS, WebSocket or SockJS, and connects again when it loses the connection.
//! Everything it holds is bounded: what waits to be sent
//! ([`queue_octets_max`](StompClientBuilder::queue_octets_max)), what waits to be taken
//! ([`inbox_octets_max`](StompClientBuilder::inbox_octets_max)), and the frames of the server
//! ([`limits`](StompClientBuilder::limits)).
//!
//! `docs/client.md` shows how it is used.
//!
//! # When a connection is lost
//!
//! - Subscriptions are made again by the next connection, before anything else is sent by it.
//! - What waited to be sent is sent then. What was sent and asked for a receipt that has not come fails with
//!   [`StompError::Unconfirmed`], unless it is to be [sent again](SendRequest::resend).
//! - Acknowledgements, transactions and requests belong to their connection, and fail.
//! - A client that is left then, by [`disconnect`](StompClient::disconnect) or by dropping its last handle, goes on
//!   connecting until what waits is sent.
//!
//! # Reading
//!
//! A subscription that is not read holds up the whole connection once its inbox is full, and with it the receipts that
//! others wait for, unless it is to [end](SlowConsumer::EndSubscription) then. So do not wait for a receipt in the loop
//! that reads a subscription without acknowledgements, but in another task; or give the subscription a
//! [`prefetch`](SubscribeRequest::prefetch) that fits into its inbox.

mod acknowledge;
mod builder;
mod client;
mod confirmation;
mod connection;
mod dial;
mod driver;
mod error;
mod incoming;
mod lifecycle;
mod message;
mod operation;
mod position;
mod receipts;
mod request;
mod send;
mod shared;
mod state;
mod subscribe;
mod subscriptions;
mod transaction;
mod url;

pub use acknowledge::Acknowledgement;
pub use builder::StompClientBuilder;
pub use client::StompClient;
pub use driver::Connectivity;
pub use error::{ConnectionEnd, DeliveryError, StompConnectError, StompError};
pub use message::Message;
pub use request::Request;
pub use send::SendRequest;
pub use subscribe::{SubscribeRequest, Subscription};
pub use subscriptions::SlowConsumer;
pub use tidings_stomp::{
    AckMode, ClientError, Error, Headers, Limits, NotSent, SubscriptionId, Version,
};
pub use transaction::Transaction;
