#![allow(unused)]

use tidings::controller;
use tidings::endpoint::{Json, Valid};

struct Rooms;

#[derive(serde::Deserialize)]
struct Letter;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, text: Valid<Json<Letter>>) {}
}

fn main() {}
