#![allow(unused)]

use tidings::controller;

struct Rooms;

struct Letter;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, letter: Letter) {}
}

fn main() {}
