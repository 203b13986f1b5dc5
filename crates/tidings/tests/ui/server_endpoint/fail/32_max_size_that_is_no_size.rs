use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message(max_size = "64 kilo")]
    fn said(&self, text: String) {
        let _ = text;
    }

    #[on_message(maximum = 5)]
    fn sent(&self, octets: Vec<u8>) {
        let _ = octets;
    }
}

fn main() {}
