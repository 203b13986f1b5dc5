#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, text: String, octets: Vec<u8>) {}
}

fn main() {}
