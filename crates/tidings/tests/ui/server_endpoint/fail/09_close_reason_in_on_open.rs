#![allow(unused)]

use tidings::endpoint::CloseReason;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_open]
    async fn opened(&mut self, reason: &CloseReason) {}
}

fn main() {}
