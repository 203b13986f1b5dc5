#![allow(unused)]

use tidings::{App, server_endpoint};

struct Chat;

#[server_endpoint("chat/{room}")]
impl Chat {
    #[on_open]
    async fn opened(#[path_param] user: u64) {}

    #[on_error]
    async fn failed(&mut self) {}

    #[on_error]
    async fn also_failed(&mut self) {}
}

// Using what is wrong is no mistake of its own.
fn main() {
    let _ = App::builder().endpoint(|| Chat);
}
