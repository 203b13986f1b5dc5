#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, #[header] shout: bool) {}
}

fn main() {}
