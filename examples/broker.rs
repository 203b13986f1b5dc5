//! A broker: STOMP over TCP, and over WebSocket and SockJS at `/stomp`. Its durable queues are on disk.
//!
//! `cargo run --example broker -- --listen 127.0.0.1:61613 --http 127.0.0.1:8080 --data-dir ./queues`

use std::error::Error;

use bytes::Bytes;
use tidings::server::Server;
use tidings::store::RedbStore;
use tidings::{App, controller};
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A handler, for what the whole path costs: its reply goes to `/topic/bench`.
struct Bench;

#[controller]
impl Bench {
    #[message_mapping("/bench")]
    fn bench(&self, body: Bytes) -> Bytes {
        body
    }
}

struct Options {
    listen: String,
    http: String,
    data_dir: String,
}

impl Options {
    fn from_args() -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:61613".to_owned(),
            http: "127.0.0.1:0".to_owned(),
            data_dir: "./tidings-data".to_owned(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            match arg.as_str() {
                "--listen" => options.listen = value()?,
                "--http" => options.http = value()?,
                "--data-dir" => options.data_dir = value()?,
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let store = RedbStore::new(&options.data_dir);
    let app = App::builder().stomp("/stomp").store(store).controller(Bench).build()?;
    let server =
        Server::new(app).listen(&options.http).await?.stomp_listen(&options.listen).await?;
    for (stomp, http) in server.stomp_addrs().iter().zip(server.http_addrs()) {
        println!("listening on {stomp}, HTTP on {http}");
    }
    Ok(server.run().await?)
}
