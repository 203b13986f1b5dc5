#![allow(unused)]

use tidings::controller;
use futures_util::Stream;

struct Rooms;

struct Letter;

#[controller]
impl Rooms {
    #[subscribe_mapping("/rooms")]
    fn rooms(&self) -> impl Stream<Item = Letter> {
        futures_util::stream::empty()
    }
}

fn main() {}
