#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("chat")]
impl Chat {}

fn main() {}
