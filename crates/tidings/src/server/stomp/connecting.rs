//! CONNECT.

use tidings_stomp::Connect;

use super::session::StompSession;
use crate::endpoint::Session;
use crate::messaging::SessionEvent;

impl StompSession {
    pub(super) async fn connect(&mut self, session: &Session, connect: Connect) {
        let client_id = connect.headers.get("client-id").filter(|id| !id.is_empty());
        let user = connect.login.filter(|login| !login.is_empty());
        self.owner = client_id.or(user.as_deref()).unwrap_or_default().into();
        self.user = user.as_deref().map(Into::into);
        self.server.accept(&session.id().to_string(), user.as_deref());
        let vitals = session.vitals();
        vitals.set_expiry(None);
        if let Some(heart_beat) = self.server.heart_beat() {
            vitals.set_heart_beat(heart_beat);
            session.link().stop_heartbeats();
        }
        self.connected = true;
        self.shared.tell(SessionEvent::Connected { session: session.clone(), user }).await;
    }
}
