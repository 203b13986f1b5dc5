#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_open]
    async fn opened() {}

    #[on_message]
    async fn said(self, text: String) {}
}

fn main() {}
