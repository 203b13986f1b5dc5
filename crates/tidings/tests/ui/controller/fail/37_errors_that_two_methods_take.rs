#![allow(unused)]

use tidings::controller;
use tidings::messaging::HandlerError;

struct Rooms;

#[controller]
impl Rooms {
    #[message_exception_handler]
    async fn failed(&self, error: &HandlerError) {}

    #[message_exception_handler]
    async fn failed_too(&self, error: &HandlerError) {}
}

fn main() {}
