//! Handlers that fail, and what is said of it.

use tidings::endpoint::{BoxError, Handshake, Session};
use tidings::{App, server_endpoint};
use tokio::sync::mpsc;

use crate::support::{Log, WebSocket, serve};

/// Fails in every way there is.
struct Careless(mpsc::UnboundedSender<String>);

#[server_endpoint("/careless")]
impl Careless {
    #[on_open]
    fn opened(&self, session: &Session) {
        let _ = self.0.send(session.id().to_string());
    }

    #[on_message]
    fn said(&self, text: &str) -> Result<(), BoxError> {
        if text == "panic" { panic!("as asked") } else { Err("as asked".into()) }
    }
}

#[tokio::test]
async fn also_no_log_line_holds_a_session_id_a_cookie_or_a_token() {
    let log = Log::capture();
    let (sender, mut ids) = mpsc::unbounded_channel();
    let app = App::builder().endpoint(move || Careless(sender.clone())).build().unwrap();
    let server = serve(app).await;
    let headers = "Cookie: id=secret-cookie\r\nAuthorization: Bearer secret-token\r\n";
    let mut known = vec!["secret-".to_owned()];
    let path = "/careless?token=secret-query";
    let mut client = WebSocket::connect(server.http, path, headers).await.unwrap();
    known.push(ids.recv().await.unwrap());
    client.send("fail").await;
    client.send("panic").await;
    client.closed().await;
    let log = log.take();
    assert!(log.contains("as asked"), "nothing was logged: {log}");
    for secret in known {
        assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
    }
}

/// Shows what it is told of its handshake, as a careless developer would log it.
struct Shown(mpsc::UnboundedSender<String>);

#[server_endpoint("/shown")]
impl Shown {
    #[on_open]
    fn opened(&self, handshake: &Handshake) {
        let _ = self.0.send(format!("{handshake:?}"));
    }
}

#[tokio::test]
async fn also_a_handshake_shows_no_values() {
    let (sender, mut shown) = mpsc::unbounded_channel();
    let app = App::builder().endpoint(move || Shown(sender.clone())).build().unwrap();
    let server = serve(app).await;
    let headers = "Cookie: id=secret-cookie\r\nX-Key: secret-key\r\n";
    let path = "/shown?token=secret-query";
    let _client = WebSocket::connect(server.http, path, headers).await.unwrap();
    let shown = shown.recv().await.unwrap();
    assert!(shown.contains("/shown") && shown.contains("x-key"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    // Nor as numbers, which is how octets are shown.
    let secret: Vec<_> = b"secret".iter().map(u8::to_string).collect();
    assert!(!shown.contains(&secret.join(", ")), "{shown}");
}
