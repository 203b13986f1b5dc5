//! What becomes of the connection of a response: its session has it as long as it waits for frames.

use std::time::Duration;

use tidings::App;
use tidings::endpoint::{CloseInfo, Endpoint, EndpointError, Session};
use tidings::server::SockJsOptions;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::answer::{Answer, get, post};
use super::services::{echo_with, open_by_polling, send, services, stream};
use super::support::{PATIENCE, Raw, Running, serve};

/// Ends the response that is open, by more than it may hold.
async fn fill(server: &Running, stream: &mut Raw) -> String {
    let message = format!("[\"{}\"]", "x".repeat(4096));
    assert_eq!(send(server, "s", &message).await.status, 204);
    stream.read_until("\r\n0\r\n\r\n").await
}

#[tokio::test]
async fn it_takes_the_next_request_once_the_response_has_ended() {
    let server = services().await;
    let mut stream = stream(&server, "s").await;
    for round in 0..5 {
        assert!(fill(&server, &mut stream).await.ends_with("x\"]\n\r\n0\r\n\r\n"), "{round}");
        stream.write(post("/echo/0/s/xhr_streaming").octets()).await;
        let head = stream.read_until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        stream.read_until("h\n\r\n").await;
        send(&server, "s", &format!("[\"{round}\"]")).await;
        assert_eq!(stream.read_until("\n\r\n").await, format!("7\r\na[\"{round}\"]\n\r\n"));
    }
    fill(&server, &mut stream).await;
    stream.write(get("/echo").octets()).await;
    stream.read_until("\r\n\r\nWelcome to SockJS!\n").await;
}

#[tokio::test]
async fn it_answers_what_was_asked_meanwhile() {
    let server = services().await;
    for asked_at_once in [true, false] {
        let session = format!("s{asked_at_once}");
        let streaming = post(format!("/echo/0/{session}/xhr_streaming")).octets();
        let mut stream = Raw::connect(server.http).await;
        if asked_at_once {
            stream.write(streaming + &get("/echo").octets()).await;
        } else {
            stream.write(streaming).await;
            stream.read_until("o\n\r\n").await;
            stream.write(get("/echo").octets()).await;
        }
        for text in ["a", "b"] {
            send(&server, &session, &format!("[\"{text}\"]")).await;
            stream.read_until(&format!("7\r\na[\"{text}\"]\n\r\n")).await;
        }
        send(&server, &session, "[\"close\"]").await;
        stream.read_until("c[3000,\"Go away!\"]\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n").await;
        stream.read_until("\r\n\r\nWelcome to SockJS!\n").await;
    }
}

#[tokio::test]
async fn it_loses_nothing_of_what_was_asked_meanwhile_however_much() {
    let server = services().await;
    let mut stream = stream(&server, "s").await;
    // Each is longer than the first read of the next request, and one of them streams again.
    let long = "x".repeat(20_000);
    let welcome = get("/echo").header("X-Long", &long).octets();
    let again = post("/echo/0/s/xhr_streaming").header("X-Long", &long).octets();
    stream.write([&*welcome, &again, &welcome, &welcome].concat()).await;
    fill(&server, &mut stream).await;
    stream.read_until("\r\n\r\nWelcome to SockJS!\n").await;
    stream.read_until("h\n\r\n").await;
    fill(&server, &mut stream).await;
    for _ in 0..2 {
        stream.read_until("\r\n\r\nWelcome to SockJS!\n").await;
    }
}

#[tokio::test]
async fn a_poll_that_waits_has_it_too_and_gives_it_back() {
    let server = services().await;
    open_by_polling(&server, "s").await;
    let mut polling = Raw::connect(server.http).await;
    for round in 0..5 {
        polling.write(post("/echo/0/s/xhr").octets()).await;
        send(&server, "s", &format!("[\"{round}\"]")).await;
        let answer = Answer::parse(&polling.read_until("0\r\n\r\n").await);
        answer.expect(200, &format!("a[\"{round}\"]\n"));
    }
    polling.write(get("/echo").octets()).await;
    polling.read_until("\r\n\r\nWelcome to SockJS!\n").await;
}

#[tokio::test]
async fn whoever_writes_an_answer_it_says_the_same() {
    let server = services().await;
    let mut answers = Vec::new();
    for (session, connection) in [("a", "keep-alive"), ("b", "close")] {
        open_by_polling(&server, session).await;
        let mut polling = Raw::connect(server.http).await;
        let request = post(format!("/cookie_needed_echo/0/{session}/xhr"));
        let request = request.header("Connection", connection).header("Origin", "http://here");
        polling.write(request.octets()).await;
        polling.read_until("o\n\r\n0\r\n\r\n").await;
        if connection == "close" {
            polling = Raw::connect(server.http).await;
        }
        polling.write(request.octets()).await;
        let sending = post(format!("/cookie_needed_echo/0/{session}/xhr_send"));
        assert_eq!(sending.body("[\"x\"]").send(&server).await.status, 204);
        let answer = Answer::parse(&polling.read_until("0\r\n\r\n").await);
        answer.expect(200, "a[\"x\"]\n");
        let date = answer.header("date").expect("RFC 9110, section 6.6.1");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        answers.push(answer.lasting_headers());
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn it_ends_with_the_response_if_the_client_says_so() {
    let server = services().await;
    let mut stream = Raw::connect(server.http).await;
    let streaming = post("/echo/0/s/xhr_streaming").header("Connection", "close");
    stream.write(streaming.octets()).await;
    stream.read_until("o\n\r\n").await;
    send(&server, "s", "[\"close\"]").await;
    assert_eq!(stream.read_to_end().await, "13\r\nc[3000,\"Go away!\"]\n\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_request_with_a_body_is_answered_and_the_connection_goes_on() {
    let server = services().await;
    let mut stream = Raw::connect(server.http).await;
    stream.write(post("/echo/0/s/xhr_streaming").body("of no use").octets()).await;
    stream.read_until("o\n\r\n").await;
    send(&server, "s", "[\"close\"]").await;
    stream.read_until("c[3000,\"Go away!\"]\n\r\n0\r\n\r\n").await;
    stream.write(get("/echo").octets()).await;
    stream.read_until("\r\n\r\nWelcome to SockJS!\n").await;
}

#[tokio::test]
async fn a_server_that_stops_ends_the_response_first() {
    let server = services().await;
    let mut stream = stream(&server, "s").await;
    let stopped = server.stop();
    let rest = stream.read_to_end().await;
    assert!(rest.starts_with("22\r\nc[1001,"), "{rest}");
    assert!(rest.ends_with("]\n\r\n0\r\n\r\n"), "{rest}");
    tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_went_away_is_noticed_at_once() {
    struct Watched(mpsc::UnboundedSender<u16>);
    impl Endpoint for Watched {
        async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
            let _ = self.0.send(info.reason.code().as_u16());
        }
    }
    let (closed, mut codes) = mpsc::unbounded_channel();
    let never = Duration::from_secs(3600);
    let options = SockJsOptions { heartbeat_delay: never, ..SockJsOptions::default() };
    let app = App::builder().sockjs_with_options("/echo", options, move || Watched(closed.clone()));
    let server = serve(app.build().unwrap()).await;
    for (reset, polls) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut stream = if polls {
            let mut polling = Raw::connect(server.http).await;
            let poll = post(format!("/echo/0/{reset}/xhr")).octets();
            polling.write([&*poll, &*poll].concat()).await;
            polling.read_until("o\n\r\n0\r\n\r\n").await;
            polling
        } else {
            stream(&server, &format!("s{reset}")).await
        };
        if reset {
            stream.stream.set_zero_linger().unwrap();
        } else {
            stream.stream.shutdown().await.unwrap();
        }
        drop(stream);
        let code = tokio::time::timeout(PATIENCE, codes.recv()).await.expect("nobody noticed");
        assert_eq!(code, Some(1002), "reset: {reset}, polls: {polls}");
    }
}

#[tokio::test]
async fn a_burst_of_many_frames_comes_whole_and_in_order() {
    const MESSAGES: usize = 3_000;
    struct Burst;
    impl Endpoint for Burst {
        async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
            for number in 0..MESSAGES {
                session.send(format!("{number:0>1000}")).await?;
            }
            Ok(())
        }
    }
    let options = SockJsOptions { response_limit: usize::MAX, ..SockJsOptions::default() };
    let app = App::builder().sockjs_with_options("/echo", options, || Burst);
    let server = serve(app.build().unwrap()).await;
    let mut stream = stream(&server, "s").await;
    let mut next = 0;
    while next < MESSAGES {
        let frame = stream.read_until("\n\r\n").await;
        for message in frame.split('"').skip(1).step_by(2) {
            assert_eq!(message.parse::<usize>().unwrap(), next);
            next += 1;
        }
    }
}

#[tokio::test]
async fn heartbeats_go_on_while_the_session_is_silent() {
    let options =
        SockJsOptions { heartbeat_delay: Duration::from_millis(50), ..SockJsOptions::default() };
    let server = echo_with(options).await;
    let mut stream = stream(&server, "s").await;
    for _ in 0..3 {
        assert_eq!(stream.read_until("\n\r\n").await, "2\r\nh\n\r\n");
    }
}
