//! An application's own types become arguments and payloads, and a controller may be generic.

use bytes::Bytes;
use tidings::endpoint::{Call, Caller, Extract};
use tidings::messaging::{FromPayload, HandlerError, IntoPayload, OnMapping, Payload};
use tidings::{App, controller, server_endpoint};

/// An argument of controllers.
struct Tenant(String);

impl Extract<OnMapping<'_>> for Tenant {
    fn extract(call: &mut OnMapping<'_>) -> Result<Self, HandlerError> {
        let tenant = call.message().headers.get("tenant");
        tenant
            .map(|name| Self(name.to_owned()))
            .ok_or(HandlerError::MissingHeader { name: "tenant" })
    }
}

/// An argument of all methods that have a session.
struct IsOpen(bool);

impl<P: Call> Extract<P> for IsOpen {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(Self(call.session().is_open()))
    }
}

/// An argument of all methods.
struct Agent(String);

impl<P: Caller> Extract<P> for Agent {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        let agent = call.handshake().header("user-agent");
        agent.map(|it| Self(it.to_owned())).ok_or_else(|| P::argument_error("who are you?"))
    }
}

struct Octets(usize);

impl FromPayload for Octets {
    fn from_payload(body: Bytes) -> Result<Self, HandlerError> {
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
    async fn measure(&self, tenant: Tenant, open: IsOpen, agent: Agent, octets: Octets) -> String {
        format!("{} {}: {}, {}", tenant.0, open.0, octets.0, agent.0)
    }

    #[message_mapping("/tenant")]
    async fn tenant(&self, tenant: Tenant) -> String {
        tenant.0
    }
}

struct Echo;

#[server_endpoint("/echo")]
impl Echo {
    #[on_message]
    fn said(&self, open: IsOpen, agent: Agent, text: String) -> String {
        format!("{} {} {text}", open.0, agent.0)
    }
}

fn main() {
    App::builder().controller(Meter(0)).endpoint(|| Echo).build().unwrap();
}
