#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_close]
    async fn closed(&mut self) -> String {
        "bye".to_owned()
    }
}

fn main() {}
