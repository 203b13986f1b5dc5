use tidings::client_endpoint;

struct Visitor;

#[client_endpoint(subprotocols = ["chat v2"])]
impl Visitor {
    #[on_message]
    fn said(&self, text: String) {
        let _ = text;
    }
}

fn main() {}
