#![allow(unused)]

use tidings::controller;
use tidings::endpoint::Json;

struct Rooms;

struct Letter;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, letter: Json<Letter>) {}
}

fn main() {}
