#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

struct Letter;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, text: String, letter: Letter) {}
}

fn main() {}
