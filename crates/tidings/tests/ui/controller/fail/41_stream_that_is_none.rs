#![allow(unused)]

use tidings::controller;

struct Rooms;

struct Stream;

#[controller]
impl Rooms {
    #[subscribe_mapping("/rooms")]
    fn rooms(&self) -> Stream {
        Stream
    }
}

fn main() {}
