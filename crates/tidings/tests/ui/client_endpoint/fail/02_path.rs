use tidings::client_endpoint;

struct Visitor;

#[client_endpoint("/chat")]
impl Visitor {
    #[on_message]
    fn said(&self, text: String) {
        let _ = text;
    }
}

fn main() {}
