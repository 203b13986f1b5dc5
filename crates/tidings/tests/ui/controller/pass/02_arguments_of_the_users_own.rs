//! An application's own types become arguments and payloads, and a controller may be generic.

use bytes::Bytes;
use tidings::messaging::{
    FromMessage, FromMessageParts, HandlerError, IntoPayload, MessageParts, Payload,
};
use tidings::{App, controller};

struct Tenant(String);

impl FromMessageParts for Tenant {
    fn from_message_parts(parts: &MessageParts) -> Result<Self, HandlerError> {
        let tenant = parts.headers.get("tenant");
        tenant
            .map(|name| Self(name.to_owned()))
            .ok_or(HandlerError::MissingHeader { name: "tenant" })
    }
}

struct Octets(usize);

impl FromMessage for Octets {
    fn from_message(_: &MessageParts, body: Bytes) -> Result<Self, HandlerError> {
        Ok(Self(body.len()))
    }
}

impl IntoPayload for Octets {
    fn into_payload(self) -> Result<Payload, HandlerError> {
        self.0.to_string().into_payload()
    }
}

struct Meter<S>(S);

#[controller]
impl<S: Send + Sync + 'static> Meter<S> {
    #[message_mapping("/measure")]
    async fn measure(&self, tenant: Tenant, octets: Octets) -> String {
        format!("{}: {}", tenant.0, octets.0)
    }

    #[message_mapping("/tenant")]
    async fn tenant(&self, tenant: Tenant) -> String {
        tenant.0
    }
}

fn main() {
    App::builder().controller(Meter(0)).build().unwrap();
}
