#![allow(unused)]

use tidings::server_endpoint;

#[server_endpoint("/chat")]
struct Chat;

fn main() {}
