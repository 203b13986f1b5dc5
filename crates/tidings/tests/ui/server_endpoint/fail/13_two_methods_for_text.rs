#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, text: String) {}

    #[on_message]
    async fn counted(&mut self, number: u32) {}
}

fn main() {}
