use std::error::Error;
use std::time::{Duration, Instant};

use super::Clients;
use super::connection::{Connection, Stage};
use crate::frame::Compression;
use crate::message::Frames;

/// Connections under way at a time: fewer than the shortest backlog of the servers, 100.
const UNDER_WAY: usize = 64;

/// How long nothing may come of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection does as soon as it is open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FirstMessage<'a> {
    /// Nothing.
    Wait,
    /// It sends one message, and is open once that has come back.
    Echo(&'a Frames),
}

impl Clients {
    /// Opens so many more connections.
    ///
    /// # Errors
    ///
    /// When one is refused, or nothing moves for 20 s.
    pub(crate) fn open(
        &mut self,
        count: usize,
        compression: Compression,
        first: FirstMessage<'_>,
    ) -> Result<(), Box<dyn Error>> {
        let (mut started, mut opened) = (0, 0);
        let mut last_opened = Instant::now();
        while opened < count {
            while started < count && started - opened < UNDER_WAY {
                let index = self.connections.len();
                let connection = Connection::new(index, self.address, compression, &self.epoll)?;
                self.connections.push(connection);
                started += 1;
            }
            let before = opened;
            self.poll(Duration::from_millis(100), |connection, messages| {
                match (first, &connection.stage) {
                    (FirstMessage::Echo(frames), Stage::Open(_)) if messages == 0 => {
                        if connection.next_frame == 0 {
                            let (octets, _) = frames.batch(0, 1).ok_or("no message to send")?;
                            connection.next_frame = 1;
                            connection.send(octets)?;
                        }
                    }
                    _ => opened += 1,
                }
                Ok(())
            })?;
            if opened > before {
                last_opened = Instant::now();
            } else if last_opened.elapsed() > PATIENCE {
                return Err(format!("only {opened} of {count} connections opened").into());
            }
        }
        Ok(())
    }
}
