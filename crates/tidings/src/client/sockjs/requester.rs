use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::HeaderValue;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::super::connecting::Client;
use super::super::cookies::CookieJar;
use super::super::course::Course;
use super::super::error::ConnectError;
use super::super::exchange::first_octets;
use super::super::url::WebSocketUrl;
use super::SockJsError;
use super::lane::{Lane, Question};

/// Makes the requests of one session, and remembers what servers say in between: cookies, and which
/// credentials they want.
pub(super) struct Requester {
    client: Client,
    /// What the user has named. Secrets do not go to other origins.
    home: WebSocketUrl,
    cookies: CookieJar,
    authorization: Mutex<Option<HeaderValue>>,
}

/// An answer whose body is still to come, and who gave it.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) url: WebSocketUrl,
}

impl Requester {
    pub(super) fn new(client: Client, home: WebSocketUrl) -> Self {
        let (cookies, authorization) = (CookieJar::default(), Mutex::default());
        Self { client, home, cookies, authorization }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The way to `url`.
    pub(super) fn course(&self, url: &WebSocketUrl) -> Course<'_> {
        let options = self.client.opening_options();
        if url.has_same_origin(&self.home) {
            let course = Course::new(options, url.clone(), Some(&self.cookies));
            return course.answering(self.authorization().clone());
        }
        Course::new(options, self.home.clone(), Some(&self.cookies)).turn_to(url.clone())
    }

    /// Makes a request. Challenges are answered, and redirections followed where the method allows it.
    pub(super) async fn ask(
        &self,
        lane: &mut Lane,
        url: &WebSocketUrl,
        question: &Question,
    ) -> Result<Answer, ConnectError> {
        let options = self.client.opening_options();
        let mut course = self.course(url);
        loop {
            let response = lane.ask(&course, question, options.response_head_octets_max).await?;
            let (head, body) = response.into_parts();
            let head = Response::from_parts(head, ());
            course.tell(&head);
            let is_redirection = head.status().is_redirection() && question.method == Method::GET;
            if !is_redirection && head.status() != StatusCode::UNAUTHORIZED {
                self.remember(&course);
                let url = course.url().clone();
                return Ok(Answer { response: head.map(|()| body), url });
            }
            let body = first_octets(body).await;
            lane.rest();
            let turned = course.go_on(&question.method, head.map(|()| body));
            turned.map_err(|error| match error {
                ConnectError::Http(response) => SockJsError::Http(response).into(),
                error => error,
            })?;
        }
    }

    fn remember(&self, course: &Course<'_>) {
        if course.url().has_same_origin(&self.home)
            && let Some(answer) = course.lasting_answer()
        {
            *self.authorization() = Some(answer.clone());
        }
    }

    fn authorization(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// The answer, if its status says that all is well.
    pub(super) async fn successful(self) -> Result<Self, ConnectError> {
        if matches!(self.response.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Ok(self);
        }
        let (head, body) = self.response.into_parts();
        let response = Response::from_parts(head, first_octets(body).await);
        Err(SockJsError::Http(Box::new(response)).into())
    }

    /// The whole body, unless it is longer than this: then its first octets.
    pub(super) async fn body(self, octets_max: usize) -> Result<Bytes, hyper::Error> {
        let mut body = self.response.into_body();
        let mut octets = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            let room = octets_max - octets.len();
            octets.extend_from_slice(data.get(..room).unwrap_or(&data));
            if octets.len() == octets_max {
                break;
            }
        }
        Ok(octets.freeze())
    }
}
