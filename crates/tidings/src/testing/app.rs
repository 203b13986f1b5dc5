use super::{TestSocketBuilder, TestStompBuilder};
use crate::App;
use crate::client::{Client, ClientBuilder};
use crate::endpoint::Principal;
use crate::messaging::Messenger;
use crate::server::InProcess;

/// An application under test: see [the module](super).
///
/// Cheap to clone; all clones are the same application.
#[derive(Clone, Debug)]
pub struct TestApp {
    app: App,
}

impl TestApp {
    /// Serves the application in memory, on the runtime of the caller.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
    pub fn new(app: App) -> Self {
        app.tell_time_here();
        Self { app }
    }

    /// The application.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The application's own messenger.
    pub fn messenger(&self) -> &Messenger {
        self.app.messenger()
    }

    /// Begins to connect a STOMP client, as if by TCP: no endpoint has to be deployed for it.
    pub fn stomp(&self) -> TestStompBuilder {
        TestStompBuilder::new(self.app.clone())
    }

    /// Begins to connect a WebSocket to an endpoint. `path` may have a query.
    pub fn websocket(&self, path: &str) -> TestSocketBuilder {
        TestSocketBuilder::new(self, path)
    }

    /// Puts a client of the library together whose connections all go to the application, whatever hosts its URLs name:
    /// [`sockjs`](ClientBuilder::sockjs) and [`stomp`](ClientBuilder::stomp) make it one of those.
    ///
    /// ```
    /// use tidings::testing::TestApp;
    /// use tidings::{App, WebSocket};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = App::builder().stomp("/stomp").build()?;
    /// let client = TestApp::new(app).client().stomp().connect("http://test/stomp").await?;
    /// client.send("/topic/prices").text("250").receipt().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn client(&self) -> ClientBuilder {
        self.client_of(None)
    }

    /// The same, of a client that is known already: as if a layer in front of the application had asked it.
    pub fn client_of(&self, principal: impl Into<Option<Principal>>) -> ClientBuilder {
        Client::builder().in_process(InProcess::new(self.app.clone(), principal.into()))
    }
}
