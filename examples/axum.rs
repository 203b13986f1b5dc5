//! Tidings inside an existing axum application, beneath its routes and its tower layers.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use tidings::App;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings::messaging::Messenger;
use tidings::server::RemoteAddr;

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        session.send(message).await?;
        Ok(())
    }
}

/// An ordinary HTTP handler that sends to everybody who subscribed to `/topic/news`.
async fn publish(State(messenger): State<Messenger>, body: String) -> StatusCode {
    match messenger.send("/topic/news", body).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A layer of the application, which sees the upgrade requests too.
async fn log(request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    println!("{line} {}", response.status());
    response
}

/// Tells Tidings who connects, as only axum knows it.
async fn tell_address(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(RemoteAddr(addr));
    request
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = App::builder()
        .endpoint_at("/echo", || Echo)
        .stomp("/stomp")
        .build()
        .expect("the paths differ");

    let router = Router::new()
        .route("/", get(|| async { "POST to /news; subscribe to /topic/news at /stomp\n" }))
        .route("/news", post(publish))
        .with_state(app.messenger().clone())
        .fallback_service(app.clone())
        .layer(middleware::map_request(tell_address))
        .layer(middleware::from_fn(log));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("http://127.0.0.1:8080/");
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or(()) })
        .await?;
    // axum does not wait for what has become a WebSocket.
    app.shut_down().await;
    Ok(())
}
