//! Handlers that fail, and what is said of it.

use std::sync::{Arc, Mutex};

use tidings::endpoint::{BoxError, Handshake, Principal, Session};
use tidings::messaging::{AccessDenied, Login, Rules, permit};
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

#[tokio::test]
async fn also_no_log_line_and_no_login_shows_a_token_of_stomp() {
    let log = Log::capture();
    let shown = Arc::new(Mutex::new(String::new()));
    let show = Arc::clone(&shown);
    let authenticator = move |login: Login| {
        show.lock().unwrap().push_str(&format!("{login:?}"));
        let token = login.bearer_token();
        async move {
            match token.as_deref() {
                Some("secret-good") => Ok(Principal::new("ann")),
                _ => Err(AccessDenied::new("Show another token.")),
            }
        }
    };
    let rules = Rules::new().connect(permit());
    let app = App::builder().stomp("/stomp").authenticator(authenticator).rules(rules);
    let server = serve(app.build().unwrap()).await;
    let connect = "CONNECT\naccept-version:1.2\nhost:x\n";
    for (path, fields, headers) in [
        ("/stomp?access_token=secret-bad", "Cookie: access_token=secret-cookie\r\n", ""),
        ("/stomp", "Sec-WebSocket-Protocol: v12.stomp, bearer.secret-bad\r\n", ""),
        ("/stomp", "Authorization: Bearer secret-bad\r\n", "passcode:secret-bad\n"),
    ] {
        let mut socket = WebSocket::connect(server.http, path, fields).await.unwrap();
        socket.send(format!("{connect}{headers}\n\0")).await;
        assert!(socket.text().await.starts_with("ERROR\n"));
        socket.closed().await;
    }
    let mut socket = server.websocket("/stomp").await;
    socket.send(format!("{connect}AUTHORIZATION:Bearer secret-good\n\n\0")).await;
    assert!(socket.text().await.starts_with("CONNECTED\n"));
    let renewal = "SEND\ndestination:/session/renew\nreceipt:r\nAuthorization:Bearer secret-";
    socket.send(format!("{renewal}good\n\n\0")).await;
    assert!(socket.text().await.starts_with("RECEIPT\n"));
    socket
        .send("SEND\ndestination:/topic/a\nAuthorization:Bearer secret-good\n\nsecret-body\0")
        .await;
    assert!(socket.text().await.starts_with("ERROR\n"));
    socket.closed().await;
    let log = log.take();
    assert!(log.contains("login refused") && log.contains("refused by rules"), "{log}");
    let shown = shown.lock().unwrap();
    assert!(shown.contains("AUTHORIZATION"), "{shown}");
    assert!(!log.contains("secret-"), "{log}");
    assert!(!shown.contains("secret-"), "{shown}");
}
