#![allow(unused)]

use tidings::controller;
use tidings::messaging::HandlerError;

struct Rooms;

#[controller]
impl Rooms {
    #[message_exception_handler("/rooms")]
    async fn failed(&self, error: &HandlerError) {}
}

fn main() {}
