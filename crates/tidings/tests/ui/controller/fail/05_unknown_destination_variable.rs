#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}")]
    async fn say(&self, #[destination_variable] user: u64) {}
}

fn main() {}
