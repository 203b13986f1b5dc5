//! SockJS over HTTP, octet for octet as a client sees it. The modules follow the protocol: what there is to
//! ask for, the headers of answers, the pages, how frames travel each way, sessions, WebSockets, HTTP.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "each file is a module of a test")]

#[path = "../support/mod.rs"]
mod support;

mod answer;
mod connections;
mod facts;
mod headers;
mod http_versions;
mod limits;
mod pages;
mod raw_websocket;
mod receiving;
mod sending;
mod services;
mod sessions;
mod urls;
mod websocket;
