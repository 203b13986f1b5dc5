#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    async fn said(&mut self, text: String) {
        let counter = std::rc::Rc::new(0);
        std::future::ready(()).await;
        drop(counter);
    }
}

fn main() {}
