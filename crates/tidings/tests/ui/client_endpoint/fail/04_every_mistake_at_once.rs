use tidings::client_endpoint;

struct Visitor;

#[client_endpoint("/chat", shared, configurator = 7, subprotocols = ["chat v2"])]
impl Visitor {
    #[on_handshake]
    fn let_in(&self) {}

    #[on_open]
    fn opened(&self, #[path_param] room: String) {}

    #[on_close]
    #[on_error]
    fn closed(&self) {}

    #[on_close]
    fn also_closed(&self) {}

    #[on_error]
    fn failed(&self) {}

    #[on_message(max_size = "much")]
    fn said(text: String) {}
}

fn main() {}
