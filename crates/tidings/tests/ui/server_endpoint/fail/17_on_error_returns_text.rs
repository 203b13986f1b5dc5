#![allow(unused)]

use tidings::endpoint::EndpointError;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_error]
    async fn failed(&mut self, error: EndpointError) -> String {
        error.to_string()
    }
}

fn main() {}
