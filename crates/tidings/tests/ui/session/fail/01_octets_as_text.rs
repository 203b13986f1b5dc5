use tidings::endpoint::{SendError, Session};

async fn send(session: &Session, octets: &[u8]) -> Result<(), SendError> {
    let mut text = session.start_text().await?;
    text.write(octets).await?;
    text.finish().await
}

fn main() {}
