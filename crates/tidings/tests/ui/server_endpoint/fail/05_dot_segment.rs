#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat/../{room}")]
impl Chat {}

fn main() {}
