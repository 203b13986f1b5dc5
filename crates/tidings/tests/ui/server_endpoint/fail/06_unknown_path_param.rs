#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat/{room}")]
impl Chat {
    #[on_open]
    async fn opened(&mut self, #[path_param] user: u64) {}
}

fn main() {}
