use tidings::endpoint::{Json, Part};
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn said(&self, part: Part<Json<u8>>) {
        let _ = part;
    }
}

fn main() {}
