#![allow(unused)]

use tidings::controller;
use tidings::messaging::HandlerError;

struct Rooms;

#[controller("/users/{user}")]
impl Rooms {
    #[message_exception_handler]
    #[send_to("/topic/{user}")]
    async fn failed(&self, error: &HandlerError, #[destination_variable] room: String) -> String {
        room
    }
}

fn main() {}
