#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_open]
    async fn opened(&mut self) {}

    #[on_open]
    async fn also_opened(&mut self) {}
}

fn main() {}
