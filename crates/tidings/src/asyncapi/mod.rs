//! The application described by an [AsyncAPI 3](https://www.asyncapi.com/docs/reference/specification/v3.0.0) document.

mod channel;
#[doc(hidden)]
pub mod described;
mod description;
mod document;
mod door;
mod schemas;

use serde_json::Value;

pub use description::{OperationDescription, PayloadDescription, ReplyTo, SchemaOf};
pub use schemas::Schemas;

pub(crate) use document::{Handler, Parts, SocketEndpoint};
pub(crate) use door::DocumentDoor;

/// What an [AsyncAPI document](crate::App::async_api) says of the application beside what follows from its code.
///
/// ```
/// use tidings::App;
/// use tidings::asyncapi::AsyncApi;
///
/// let info = AsyncApi::new("Chat", "1.4.0").description("Rooms, and messages between two.");
/// let app = App::builder().stomp("/stomp").build()?;
/// let document = app.async_api(&info);
/// assert_eq!(document["asyncapi"], "3.0.0");
/// assert_eq!(document["info"]["title"], "Chat");
/// # Ok::<(), tidings::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AsyncApi {
    title: String,
    version: String,
    description: Option<String>,
    host: Option<String>,
}

impl AsyncApi {
    /// The name of the application, and the version of what it offers.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self { title: title.into(), version: version.into(), description: None, host: None }
    }

    /// Adds a description, in Markdown.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the host, and port, at which clients find the application: `chat.example.org`. Default: where a document that
    /// is [served](crate::AppBuilder::async_api) was asked for, otherwise `localhost:8080`.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// The document. `asked_for` is the host that a request names.
    pub(crate) fn document(&self, parts: &Parts<'_>, asked_for: Option<&str>) -> Value {
        let host = self.host.as_deref().or(asked_for).unwrap_or("localhost:8080");
        document::document(self, parts, host)
    }
}
