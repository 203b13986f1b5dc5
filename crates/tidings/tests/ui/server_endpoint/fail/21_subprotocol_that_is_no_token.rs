#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat", subprotocols = ["chat v2"])]
impl Chat {}

fn main() {}
