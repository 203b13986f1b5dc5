use tidings::client_endpoint;

struct Visitor;

#[client_endpoint]
impl Visitor {
    #[on_open]
    fn opened(&self, #[path_param] room: String) {
        let _ = room;
    }
}

fn main() {}
