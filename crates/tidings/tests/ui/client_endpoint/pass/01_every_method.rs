use tidings::client_endpoint;
use tidings::endpoint::{CloseInfo, Endpoint, EndpointError, Flow, Pong, Session, TextStream};

struct Visitor;

#[client_endpoint(subprotocols = ["chat.v2", "chat.v1"], strict)]
impl Visitor {
    #[on_open]
    async fn opened(&mut self, session: Session) {
        let _ = session;
    }

    #[on_message]
    async fn said(&mut self, text: TextStream) {
        let _ = text.read_to_string().await;
    }

    #[on_message(max_size = "16MiB")]
    fn sent(&mut self, octets: Vec<u8>) -> Vec<u8> {
        octets
    }

    #[on_message]
    fn ponged(&mut self, pong: Pong) {
        let _ = pong.0;
    }

    #[on_close]
    fn closed(&mut self, info: &CloseInfo) {
        let _ = info.clean;
    }

    #[on_error]
    fn failed(&mut self, error: EndpointError) -> Flow {
        let _ = error;
        Flow::Continue
    }
}

fn main() {
    assert_eq!(Visitor.subprotocols(), ["chat.v2", "chat.v1"]);
}
