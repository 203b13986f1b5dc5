#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, #[header("shout")] shout: bool, text: String) {}
}

fn main() {}
