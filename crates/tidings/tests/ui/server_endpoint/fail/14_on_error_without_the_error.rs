#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_error]
    async fn failed(&mut self) {}
}

fn main() {}
