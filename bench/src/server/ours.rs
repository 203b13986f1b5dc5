use std::error::Error;

use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings::server::Server;

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

struct Fanout;

impl Endpoint for Fanout {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        session.peers().broadcast(message);
        Ok(())
    }
}

pub(super) async fn serve() -> Result<(), Box<dyn Error>> {
    let app =
        App::builder().endpoint_at("/echo", || Echo).endpoint_at("/fanout", || Fanout).build()?;
    let server = Server::new(app).listen("127.0.0.1:0").await?;
    for address in server.http_addrs() {
        println!("{address}");
    }
    Ok(server.run().await?)
}
