//! What the macros tell of methods.

use super::Schemas;

/// What a method of a controller or of an endpoint takes and returns, for [AsyncAPI](super::AsyncApi). The macros make
/// it.
#[derive(Clone, Copy, Debug)]
pub struct OperationDescription {
    /// The method's name.
    pub name: &'static str,
    /// Its documentation comment, in Markdown; may be empty.
    pub documentation: &'static str,
    /// What it takes; `None` if it takes no payload.
    pub payload: Option<PayloadDescription>,
    /// What it returns; `None` if it returns nothing.
    pub returned: Option<PayloadDescription>,
    /// Where that goes. Of an endpoint's method it is empty: to the peer.
    pub replies: &'static [ReplyTo],
}

/// A payload: how it is written, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct PayloadDescription {
    /// Its MIME type, if its Rust type tells.
    pub content_type: Option<&'static str>,
    /// Its schema, if there is one.
    pub schema: Option<SchemaOf>,
    /// The name of its Rust type.
    pub type_name: fn() -> &'static str,
}

/// Makes the JSON Schema of a type, and keeps those of the types in it.
pub type SchemaOf = fn(&mut Schemas) -> serde_json::Value;

/// Where what a method returns goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// To the subscription that is answered.
    Subscription,
    /// To the topic named as the message's destination.
    DefaultTopic,
    /// To a destination, which may have the variables of the mapping.
    Destination(&'static str),
    /// To the user who has sent the message; `None` for the queue named as the message's destination.
    User(Option<&'static str>),
}
