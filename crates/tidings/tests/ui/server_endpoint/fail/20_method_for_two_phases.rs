#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_open]
    #[on_close]
    async fn changed(&mut self) {}
}

fn main() {}
