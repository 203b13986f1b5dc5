#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, text: String, number: u32) {}
}

fn main() {}
