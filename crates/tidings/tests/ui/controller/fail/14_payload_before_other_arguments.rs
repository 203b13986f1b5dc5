#![allow(unused)]

use tidings::controller;
use tidings::endpoint::Session;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, text: String, session: Session) {}
}

fn main() {}
