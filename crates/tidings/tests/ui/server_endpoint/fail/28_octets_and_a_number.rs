use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn said(&self, octets: Vec<u8>, number: i32) {
        let _ = (octets, number);
    }
}

fn main() {}
