//! The generated code is in the way of no name, and an endpoint may be generic.

use std::marker::PhantomData;

use tidings::endpoint::{Endpoint, Json, Session};
use tidings::{App, server_endpoint};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Chat<S>(PhantomData<S>);

#[server_endpoint("/chat/{call}")]
impl<S: Send + Sync + 'static> Chat<S> {
    #[on_open]
    async fn on_open(&self, #[path_param] call: String, session: Session) -> Result<()> {
        let _ = (call, session);
        Ok(())
    }

    #[on_message]
    async fn on_message(&self, Json(message): Json<Vec<u8>>) -> impl tidings::endpoint::IntoReply {
        Json(message)
    }
}

fn deploy<E: Endpoint>(_: &E) {}

fn main() {
    deploy(&Chat::<u8>(PhantomData));
    App::builder().endpoint(|| Chat::<u8>(PhantomData)).build().unwrap();
}
