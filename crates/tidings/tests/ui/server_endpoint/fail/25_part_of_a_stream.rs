use tidings::endpoint::{Part, TextStream};
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn said(&self, part: Part<TextStream>) {
        let _ = part;
    }
}

fn main() {}
