//! What an endpoint has to say in the opening handshake.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use tidings::client::{Client, ConnectError};
use tidings::endpoint::{
    Configurator, ConnectionOptions, DeflateOptions, Endpoint, EndpointConfig, EndpointError,
    Extension, Handshake, HandshakeResponse, Message, Origin, Principal, Reject, ServerEndpoint,
    Session, State, SubprotocolOffer, User, UserProperties,
};
use tidings::server::AllowedOrigins;
use tidings::{App, server_endpoint};

use super::handshake::{Facts, ask, connect};
use super::support::{Running, WebSocket, serve};

/// Notes what it is asked, and answers as it is made.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<String>>>);

impl Noting {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Configurator for Noting {
    fn check_origin(&self, origin: Origin<'_>, handshake: &Handshake) -> bool {
        let room = handshake.path_params().get("room").unwrap_or_default();
        let (value, allowed) = (origin.value().unwrap_or("none"), origin.is_allowed());
        self.note(format!("origin {value} {allowed} of {room}"));
        origin.value() != Some("http://refused")
    }

    fn subprotocol<'a>(&self, offer: &SubprotocolOffer<'a>) -> Option<&'a str> {
        self.note(format!("subprotocol {:?} of {:?}", offer.requested(), offer.supported()));
        offer.supported().last().map(String::as_str)
    }

    fn extensions(&self, installed: &[&str], requested: &[Extension]) -> Vec<Extension> {
        let requested_names: Vec<_> = requested.iter().map(ToString::to_string).collect();
        self.note(format!("extensions {requested_names:?} of {installed:?}"));
        requested.to_vec()
    }

    async fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        self.note(format!("handshake {:?}", handshake.subprotocol()));
        response.headers_mut().insert("x-answer", HeaderValue::from_static("42"));
        response.headers_mut().append("x-answer", HeaderValue::from_static("43"));
        response.headers_mut().insert("sec-websocket-accept", HeaderValue::from_static("forged"));
        Ok(())
    }
}

async fn noting(config: EndpointConfig) -> (Running, Noting, Noting) {
    let (noting, instances) = (Noting::default(), Noting::default());
    let made = instances.clone();
    let app = App::builder().endpoint_with(config.configurator(noting.clone()), move |_| {
        made.note("made");
        Facts
    });
    (serve(app.build().unwrap()).await, noting, instances)
}

#[tokio::test]
async fn an_origin_that_the_configurator_refuses_is_403_and_nothing_else_is_asked() {
    let (server, noting, instances) = noting(Facts::config()).await;
    let refused = WebSocket::connect(server.http, "/facts/7", "Origin: http://refused\r\n").await;
    assert!(refused.err().unwrap().starts_with("HTTP/1.1 403 "));
    assert_eq!(noting.notes(), ["origin http://refused false of 7"]);
    assert!(instances.notes().is_empty());
    connect(&server, "/facts/7", "Origin: http://other\r\n").await;
    assert_eq!(noting.notes()[0], "origin http://other false of 7");
}

#[tokio::test]
async fn the_configurator_is_asked_in_order_and_told_exactly_what_was_requested() {
    let options = ConnectionOptions {
        deflate: Some(DeflateOptions::default()),
        ..ConnectionOptions::default()
    };
    let (server, noting, instances) = noting(Facts::config().connection_options(options)).await;
    let offer = "Sec-WebSocket-Protocol: x, a\r\nSec-WebSocket-Protocol: b\r\n\
                 Sec-WebSocket-Extensions: x-first; p=1, permessage-deflate; \
                 client_max_window_bits=10\r\n";
    let client = connect(&server, "/facts/7", offer).await;
    assert_eq!(
        noting.notes(),
        [
            "origin none true of 7",
            r#"subprotocol ["x", "a", "b"] of ["b", "a"]"#,
            r#"extensions ["x-first; p=1", "permessage-deflate; client_max_window_bits=10"] of ["permessage-deflate"]"#,
            r#"handshake Some("a")"#,
        ]
    );
    assert_eq!(instances.notes(), ["made"]);
    let head = client.head.to_lowercase();
    assert!(head.contains("sec-websocket-protocol: a\r\n"), "{head}");
    assert!(head.contains("sec-websocket-extensions: permessage-deflate"), "{head}");
    assert!(head.contains("x-answer: 42\r\nx-answer: 43\r\n"), "{head}");
    assert!(!head.contains("forged"), "{head}");
}

#[tokio::test]
async fn extensions_that_were_agreed_on_are_known_at_both_ends() {
    let options = ConnectionOptions {
        deflate: Some(DeflateOptions::default()),
        ..ConnectionOptions::default()
    };
    let config = Facts::config().connection_options(options.clone());
    let server = serve(App::builder().endpoint_with(config, |_| Facts).build().unwrap()).await;
    let mut client = connect(&server, "/facts/7", "").await;
    assert_eq!(ask(&mut client, "extensions").await, "");
    let url = format!("ws://{}/facts/7", server.http);
    let client = Client::builder().connection_options(options).build();
    let mut socket = client.open(&url).await.unwrap();
    socket.send("extensions").await.unwrap();
    let Some(Message::Text(agreed)) = socket.next().await else { panic!("no answer") };
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
    let known: String = socket.session().extensions().iter().map(|it| format!("{it} ")).collect();
    assert_eq!(known, agreed);
}

#[tokio::test]
async fn headers_go_both_ways() {
    let (server, _, _) = noting(Facts::config()).await;
    let answers = Noting::default();
    let client = Client::builder()
        .before_request(|headers| {
            headers.insert("x-question", HeaderValue::from_static("6 times 7"));
        })
        .after_response({
            let answers = answers.clone();
            move |response| answers.note(response.headers()["x-answer"].to_str().unwrap())
        })
        .build();
    let url = format!("ws://{}/facts/7", server.http);
    let mut socket = client.open(&url).await.unwrap();
    assert_eq!(answers.notes(), ["42"]);
    socket.send("header x-question").await.unwrap();
    assert_eq!(socket.next().await, Some("6 times 7".into()));
}

/// Lets in whoever names a user, and keeps the name.
struct ByName;

impl Configurator for ByName {
    async fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        let Some(name) = handshake.header("x-user") else {
            return Err(Reject::new(StatusCode::UNAUTHORIZED)
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
                .text("who are you?"));
        };
        match name {
            "banned" => return Err(StatusCode::FORBIDDEN.into()),
            "busy" => {
                let reject = Reject::new(StatusCode::TOO_MANY_REQUESTS);
                return Err(reject.header(RETRY_AFTER, HeaderValue::from_static("7")));
            }
            _ => {}
        }
        response.set_principal(Principal::new(name).with_role("admin"));
        response.user_properties().set("greeting", format!("hello {name}"));
        Ok(())
    }
}

struct Greeter;

#[server_endpoint("/greet", configurator = ByName)]
impl Greeter {
    #[on_open]
    fn opened(&self, User(user): User<Principal>, properties: UserProperties) -> String {
        greet(&user, &properties)
    }
}

/// The same, programmatic.
struct PlainGreeter;

impl Endpoint for PlainGreeter {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let greeting = greet(&session.principal().unwrap(), session.user_properties());
        Ok(session.send(greeting).await?)
    }
}

fn greet(user: &Principal, properties: &UserProperties) -> String {
    let visits = properties.get::<u32>().unwrap_or_default();
    properties.insert(visits + 1);
    let greeting = properties.value("greeting").unwrap();
    format!("{greeting} {} {visits}", user.has_role("admin"))
}

fn greeters(config: &EndpointConfig) -> App {
    let builder = App::builder().endpoint_with(config.clone(), |_| Greeter).endpoint_at_with(
        "/plain",
        config.clone(),
        |_| PlainGreeter,
    );
    builder.build().unwrap()
}

#[tokio::test]
async fn the_handshake_may_refuse_with_any_status_headers_and_body() {
    let server = serve(greeters(&Greeter::config())).await;
    for path in ["greet", "plain"] {
        check_refusals(&format!("ws://{}/{path}", server.http)).await;
    }
}

async fn check_refusals(url: &str) {
    let seen = Arc::new(AtomicU32::new(0));
    let connect = async |user: Option<&'static str>| {
        let seen = Arc::clone(&seen);
        let mut client = Client::builder().after_response(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        if let Some(user) = user {
            let name = HeaderName::from_static("x-user");
            client = client.header(name, HeaderValue::from_static(user));
        }
        match client.build().open(url).await.map(drop) {
            Err(ConnectError::Http(response)) => *response,
            other => panic!("{other:?}"),
        }
    };
    let response = connect(None).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    assert_eq!(&response.body()[..], b"who are you?");
    assert_eq!(connect(Some("banned")).await.status(), 403);
    let response = connect(Some("busy")).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()[RETRY_AFTER]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn user_properties_are_the_sessions_own() {
    let config = Greeter::config().property(10_u32);
    let server = serve(greeters(&config)).await;
    for path in ["/greet", "/plain"] {
        for user in ["ann", "bob"] {
            let mut client = connect(&server, path, &format!("X-User: {user}\r\n")).await;
            assert_eq!(client.text().await, format!("hello {user} true 10"));
        }
    }
    assert_eq!(config.user_properties().get::<u32>(), Some(10));
    assert_eq!(config.user_properties().value("greeting"), None);
}

#[derive(Clone)]
struct Users(Arc<[&'static str]>);

#[derive(Clone, Debug, PartialEq)]
struct Account {
    name: String,
}

struct Account42;

#[server_endpoint("/account/{number}")]
impl Account42 {
    #[on_handshake]
    async fn authenticate(
        handshake: &Handshake,
        response: &mut HandshakeResponse,
        State(users): State<Users>,
        #[path_param] number: u32,
    ) -> Result<Account, Reject> {
        let name = handshake.header("x-user").unwrap_or_default();
        if number != 42 || !users.0.contains(&name) {
            return Err(Reject::new(StatusCode::UNAUTHORIZED));
        }
        response.headers_mut().insert("x-welcome", HeaderValue::from_static("yes"));
        Ok(Account { name: name.to_owned() })
    }

    #[on_message]
    fn who(&self, _: String, User(account): User<Account>, nobody: Option<User<u8>>) -> String {
        assert_eq!(nobody, None);
        account.name
    }

    #[on_message]
    fn missing(&self, _: Vec<u8>, _: User<u8>) {}

    #[on_error]
    fn failed(&self, error: EndpointError, session: &Session) {
        session.try_send(error.to_string()).unwrap();
    }
}

#[tokio::test]
async fn what_on_handshake_returns_is_the_user() {
    let users = Users(["ann"].into());
    let app = App::builder().endpoint(|| Account42).state(users).build().unwrap();
    let server = serve(app).await;
    let refused = WebSocket::connect(server.http, "/account/42", "X-User: eve\r\n").await;
    assert!(refused.err().unwrap().starts_with("HTTP/1.1 401 "));
    let mut client = connect(&server, "/account/42", "X-User: ann\r\n").await;
    assert!(client.head.to_lowercase().contains("x-welcome: yes\r\n"), "{}", client.head);
    client.send("who am I?").await;
    assert_eq!(client.text().await, "ann");
    client.send(vec![1]).await;
    assert_eq!(client.text().await, "nobody said who the peer is");
}

#[test]
fn an_application_without_the_state_that_an_endpoint_asks_for_does_not_build() {
    let error = App::builder().endpoint(|| Account42).build().unwrap_err().to_string();
    assert!(error.contains("Account42: the application has no state of the type"), "{error}");
    assert!(error.contains("Users"), "{error}");
}

#[tokio::test]
async fn an_endpoint_may_allow_origins_that_the_application_does_not() {
    struct Everybody;
    impl Configurator for Everybody {
        fn check_origin(&self, _: Origin<'_>, _: &Handshake) -> bool {
            true
        }
    }
    let app = App::builder()
        .allowed_origins(AllowedOrigins::SameOrigin)
        .endpoint_with(Facts::config().configurator(Everybody), |_| Facts)
        .build()
        .unwrap();
    let server = serve(app).await;
    connect(&server, "/facts/7", "Origin: http://elsewhere\r\n").await;
}
