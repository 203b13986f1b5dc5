use tidings::endpoint::BinaryStream;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn whole(&self, octets: Vec<u8>) {
        let _ = octets;
    }

    #[on_message]
    fn stream(&self, octets: BinaryStream) {
        let _ = octets;
    }
}

fn main() {}
