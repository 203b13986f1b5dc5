#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, #[header("shout", default = "1")] shout: Option<u8>) {}
}

fn main() {}
