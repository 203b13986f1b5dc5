//! The variables of a path as arguments, annotated and programmatic.

use tidings::endpoint::{
    BoxError, CloseCode, CloseInfo, CloseReason, Endpoint, EndpointError, Flow, Message, Path,
    Query, Session,
};
use tidings::{App, server_endpoint};
use tokio::sync::mpsc;

use super::support::{PATIENCE, Running, WebSocket, serve};

/// An endpoint whose `on_message` takes so many path parameters.
macro_rules! with_parameters {
    ($type:ident $path:literal $($name:ident)*) => {
        struct $type;

        #[server_endpoint($path)]
        impl $type {
            #[on_message]
            #[allow(clippy::too_many_arguments, reason = "as many as a path may have")]
            fn said(&self, text: String, $(#[path_param] $name: String),*) -> String {
                [text, $($name),*].join(" ")
            }
        }
    };
}

with_parameters!(P0 "/annotated/0");
with_parameters!(P1 "/annotated/1/{a}" a);
with_parameters!(P2 "/annotated/2/{a}/{b}" a b);
with_parameters!(P3 "/annotated/3/{a}/{b}/{c}" a b c);
with_parameters!(P4 "/annotated/4/{a}/{b}/{c}/{d}" a b c d);
with_parameters!(P5 "/annotated/5/{a}/{b}/{c}/{d}/{e}" a b c d e);
with_parameters!(P6 "/annotated/6/{a}/{b}/{c}/{d}/{e}/{f}" a b c d e f);
with_parameters!(P7 "/annotated/7/{a}/{b}/{c}/{d}/{e}/{f}/{g}" a b c d e f g);
with_parameters!(P8 "/annotated/8/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}" a b c d e f g h);
with_parameters!(P9 "/annotated/9/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}" a b c d e f g h i);
with_parameters!(P10 "/annotated/10/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}" a b c d e f g h i j);
with_parameters!(P11 "/annotated/11/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}"
    a b c d e f g h i j k);

/// Answers with the message and all parameters, in the order of the template.
struct PlainParameters;

impl Endpoint for PlainParameters {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        let values = session.path_params().iter().map(|(_, value)| value.to_owned());
        let answer: Vec<String> = [text].into_iter().chain(values).collect();
        Ok(session.send(answer.join(" ")).await?)
    }
}

#[tokio::test]
async fn a_method_takes_any_number_of_parameters() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let mut builder = App::builder();
    for count in 0..=names.len() {
        let variables: String = names[..count].iter().map(|name| format!("/{{{name}}}")).collect();
        let path = format!("/programmatic/{count}{variables}");
        builder = builder.endpoint_at(&path, || PlainParameters);
    }
    let builder = builder.endpoint(|| P0).endpoint(|| P1).endpoint(|| P2).endpoint(|| P3);
    let builder = builder.endpoint(|| P4).endpoint(|| P5).endpoint(|| P6).endpoint(|| P7);
    let builder = builder.endpoint(|| P8).endpoint(|| P9).endpoint(|| P10).endpoint(|| P11);
    let server = serve(builder.build().unwrap()).await;
    for style in ["annotated", "programmatic"] {
        for count in 0..=names.len() {
            let values: Vec<_> = (0..count).map(|index| format!("v{index}")).collect();
            let path = [vec![format!("/{style}/{count}")], values.clone()].concat().join("/");
            let mut client = server.websocket(&path).await;
            client.send("said").await;
            let expected = [vec!["said".to_owned()], values].concat().join(" ");
            assert_eq!(client.text().await, expected, "{path}");
        }
    }
}

/// Tells what every method gets.
struct EveryMethod(mpsc::UnboundedSender<String>);

impl EveryMethod {
    fn tell(&self, text: String) {
        let _ = self.0.send(text);
    }
}

#[server_endpoint("/annotated/{room}/{seat}")]
impl EveryMethod {
    #[on_open]
    fn opened(&self, #[path_param] room: String, #[path_param] seat: u8) {
        self.tell(format!("open {room} {seat}"));
    }

    #[on_message]
    fn said(
        &self,
        #[path_param] seat: u8,
        number: i32,
        #[path_param] room: String,
    ) -> Result<(), BoxError> {
        self.tell(format!("said {number} {room} {seat}"));
        if number < 0 { Err("negative".into()) } else { Ok(()) }
    }

    #[on_error]
    fn failed(&self, #[path_param] room: String, error: EndpointError, #[path_param] seat: u8) {
        self.tell(format!("error {error} {room} {seat}"));
    }

    #[on_close]
    fn closed(&self, reason: &CloseReason, #[path_param] room: String, #[path_param] seat: u8) {
        self.tell(format!("close {} {room} {seat}", reason.code().as_u16()));
    }
}

/// The same, programmatic.
struct PlainEveryMethod(EveryMethod);

impl PlainEveryMethod {
    fn tell(&self, text: String, session: &Session) {
        let room = session.path_param("room").unwrap();
        let seat: u8 = session.path_params().parse("seat").unwrap();
        self.0.tell(format!("{text} {room} {seat}"));
    }
}

impl Endpoint for PlainEveryMethod {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.tell("open".into(), session);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let number = <i32 as tidings::endpoint::FromMessage>::from_message(message)?;
        self.tell(format!("said {number}"), session);
        if number < 0 { Err(EndpointError::Handler("negative".into())) } else { Ok(()) }
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        self.tell(format!("error {error}"), session);
        Flow::Continue
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        self.tell(format!("close {}", info.reason.code().as_u16()), session);
    }
}

/// What was told next.
async fn next(told: &mut mpsc::UnboundedReceiver<String>) -> String {
    tokio::time::timeout(PATIENCE, told.recv()).await.expect("nothing was told").unwrap()
}

#[tokio::test]
async fn every_method_gets_the_parameters_also_after_errors_and_at_the_end() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let other = sender.clone();
    let app = App::builder()
        .endpoint(move || EveryMethod(sender.clone()))
        .endpoint_at("/programmatic/{room}/{seat}", move || {
            PlainEveryMethod(EveryMethod(other.clone()))
        });
    let server = serve(app.build().unwrap()).await;
    for path in ["/annotated/blue/7", "/programmatic/blue/7"] {
        let mut client = server.websocket(path).await;
        for text in ["1", "-1", "one"] {
            client.send(text).await;
        }
        client.close(CloseCode::NORMAL_CLOSURE.into()).await;
        for expected in [
            "open blue 7",
            "said 1 blue 7",
            "said -1 blue 7",
            "error negative blue 7",
            "error message is not a valid i32: invalid digit found in string blue 7",
            "close 1000 blue 7",
        ] {
            assert_eq!(next(&mut told).await, expected, "{path}");
        }
    }
}

struct Types;

#[server_endpoint("/types/{flag}/{letter}/{single}/{double}/{long}/{text}")]
impl Types {
    #[on_message]
    #[expect(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "one of each type"
    )]
    fn said(
        &self,
        _: String,
        #[path_param] flag: bool,
        #[path_param] letter: char,
        #[path_param] single: f32,
        #[path_param] double: f64,
        #[path_param] long: i64,
        #[path_param] text: &str,
    ) -> String {
        format!("{} {letter} {} {} {} {text}", !flag, single / 2.0, double / 2.0, long - 1)
    }
}

/// The same, programmatic.
struct PlainTypes;

impl Endpoint for PlainTypes {
    async fn on_message(&mut self, session: &Session, _: Message) -> Result<(), EndpointError> {
        let params = session.path_params();
        let flag: bool = params.parse("flag")?;
        let letter: char = params.parse("letter")?;
        let single: f32 = params.parse("single")?;
        let double: f64 = params.parse("double")?;
        let long: i64 = params.parse("long")?;
        let text: String = params.parse("text")?;
        let answer =
            format!("{} {letter} {} {} {} {text}", !flag, single / 2.0, double / 2.0, long - 1);
        Ok(session.send(answer).await?)
    }
}

async fn serve_types() -> Running {
    let plain = "/plain/{flag}/{letter}/{single}/{double}/{long}/{text}";
    serve(App::builder().endpoint(|| Types).endpoint_at(plain, || PlainTypes).build().unwrap())
        .await
}

#[tokio::test]
async fn parameters_are_of_the_types_that_the_methods_ask_for() {
    let server = serve_types().await;
    for path in ["/types", "/plain"] {
        let path = format!("{path}/true/%C3%B6/2.5/-1e300/-9223372036854775807/some%20text");
        let mut client = server.websocket(&path).await;
        client.send("").await;
        let halves = format!("1.25 {}", -1e300_f64 / 2.0);
        let expected = format!("false ö {halves} -9223372036854775808 some text");
        assert_eq!(client.text().await, expected, "{path}");
    }
}

/// The head of the answer to a handshake that is refused.
async fn refused(server: &Running, path: &str) -> String {
    WebSocket::connect(server.http, path, "").await.err().unwrap_or_else(|| panic!("{path}"))
}

#[tokio::test]
async fn a_parameter_that_does_not_convert_is_400_before_the_upgrade() {
    let server = serve_types().await;
    for bad in [
        "yes/x/1/1/1/t",
        "true/xy/1/1/1/t",
        "true/x/one/1/1/t",
        "true/x/1/1,5/1/t",
        "true/x/1/1/9223372036854775808/t",
        "true/x/1/1/1.0/t",
    ] {
        let head = refused(&server, &format!("/types/{bad}")).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{bad}: {head}");
    }
}

struct Optional;

#[server_endpoint("/optional/{known}")]
impl Optional {
    #[on_open]
    fn opened(&self, #[path_param] known: Option<u8>, #[path_param] unknown: Option<u8>) -> String {
        format!("{known:?} {unknown:?}")
    }
}

#[tokio::test]
async fn an_option_is_none_for_a_name_that_the_template_does_not_have() {
    let app = App::builder().endpoint(|| Optional).endpoint_at("/plain/{known}", || PlainOptional);
    let server = serve(app.build().unwrap()).await;
    assert_eq!(server.websocket("/optional/7").await.text().await, "Some(7) None");
    assert_eq!(server.websocket("/plain/7").await.text().await, "Some(\"7\") None");
    // What is there has to convert, also where it may be missing.
    assert!(refused(&server, "/optional/seven").await.starts_with("HTTP/1.1 400 "));
}

struct PlainOptional;

impl Endpoint for PlainOptional {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let (known, unknown) = (session.path_param("known"), session.path_param("unknown"));
        Ok(session.send(format!("{known:?} {unknown:?}")).await?)
    }
}

#[derive(serde::Deserialize)]
struct Limit {
    #[serde(rename = "limit")]
    _limit: Option<u8>,
}

/// Tells its peer about errors.
struct Tolerant;

#[server_endpoint("/tolerant/{number}", path_errors = "on_error")]
impl Tolerant {
    #[on_message]
    fn text(&self, text: String, #[path_param] number: u8) -> String {
        format!("{text} {number}")
    }

    #[on_message]
    fn binary(&self, octets: Vec<u8>, Query(_query): Query<Limit>) -> Vec<u8> {
        octets
    }

    #[on_error]
    async fn failed(&self, error: EndpointError, session: &Session) -> Result<(), EndpointError> {
        tell_error(&error, session).await
    }
}

async fn tell_error(error: &EndpointError, session: &Session) -> Result<(), EndpointError> {
    let EndpointError::PathParam(error) = error else { panic!("{error}") };
    Ok(session.send(format!("{}: {error}", error.name())).await?)
}

/// The same, programmatic: what is not asked for before is asked for in the method.
struct PlainTolerant;

impl Endpoint for PlainTolerant {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let reply: Message = match message {
            Message::Text(text) => {
                let number: u8 = session.path_params().parse("number")?;
                format!("{text} {number}").into()
            }
            binary => binary,
        };
        Ok(session.send(reply).await?)
    }

    async fn on_error(&mut self, session: &Session, error: EndpointError) -> Flow {
        tell_error(&error, session).await.unwrap();
        Flow::Continue
    }
}

#[tokio::test]
async fn with_path_errors_on_error_each_call_that_needs_the_parameter_fails_and_no_other() {
    let app = App::builder().endpoint(|| Tolerant).endpoint_at("/plain/{number}", || PlainTolerant);
    let server = serve(app.build().unwrap()).await;
    for path in ["/tolerant", "/plain"] {
        let mut client = server.websocket(&format!("{path}/300")).await;
        for _ in 0..2 {
            client.send("text").await;
            let expected = "number: path parameter `number` is not a valid u8";
            assert_eq!(client.text().await, expected, "{path}");
            client.send(vec![7]).await;
            assert_eq!(client.message().await, Message::from(vec![7]), "{path}");
        }
        let mut client = server.websocket(&format!("{path}/30")).await;
        client.send("text").await;
        assert_eq!(client.text().await, "text 30", "{path}");
    }
    // Only path parameters are told later.
    let Err(answer) = WebSocket::connect(server.http, "/tolerant/x?limit=y", "").await else {
        panic!("let in")
    };
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

struct Both;

#[server_endpoint("/both/{first}/{second}")]
impl Both {
    #[on_open]
    fn opened(
        &self,
        #[path_param] first: &str,
        #[path_param] second: String,
        Path(tuple): Path<(String, String)>,
        session: &Session,
    ) -> String {
        let (of_map_1, of_map_2) = (session.path_param("first"), session.path_param("second"));
        assert_eq!((of_map_1, of_map_2), (Some(first), Some(&*second)));
        assert_eq!(session.handshake().path_params(), session.path_params());
        assert_eq!((tuple.0.as_str(), tuple.1.as_str()), (first, &*second));
        format!("{first},{second}")
    }
}

#[tokio::test]
async fn the_parameters_of_the_session_are_those_of_the_methods_percent_decoded() {
    let server = serve(App::builder().endpoint(|| Both).build().unwrap()).await;
    let cases = [
        ("/both/a/b", "a,b"),
        ("/both/b%20c/%C3%B6%E2%82%AC", "b c,ö€"),
        ("/both/b%2Fc/%2525", "b/c,%25"),
    ];
    for (path, expected) in cases {
        assert_eq!(server.websocket(path).await.text().await, expected);
    }
    for path in ["/both/%ff/b", "/both/a/%C3%28"] {
        assert!(refused(&server, path).await.starts_with("HTTP/1.1 400 "), "{path}");
    }
}

#[derive(serde::Deserialize)]
struct Place {
    room: String,
    seat: u8,
}

#[derive(serde::Deserialize)]
struct Since {
    since: Option<u64>,
}

struct ByShape;

#[server_endpoint("/shape/{room}/{seat}")]
impl ByShape {
    #[on_open]
    fn opened(&self, Path(place): Path<Place>, Query(query): Query<Since>) -> String {
        format!("{} {} {:?}", place.room, place.seat, query.since)
    }
}

#[tokio::test]
async fn all_parameters_at_once_are_a_struct_and_so_is_the_query() {
    let server = serve(App::builder().endpoint(|| ByShape).build().unwrap()).await;
    let mut client = server.websocket("/shape/blue/7?since=5").await;
    assert_eq!(client.text().await, "blue 7 Some(5)");
    assert_eq!(server.websocket("/shape/blue/7").await.text().await, "blue 7 None");
    for path in ["/shape/blue/seven", "/shape/blue/7?since=ever"] {
        assert!(refused(&server, path).await.starts_with("HTTP/1.1 400 "), "{path}");
    }
}
