#![allow(unused)]

use tidings::endpoint::Session;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, session: Session) {}
}

fn main() {}
