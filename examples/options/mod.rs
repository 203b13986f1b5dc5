//! The arguments that `echo` and `broadcast` take.

use std::error::Error;

use tidings::App;
use tidings::endpoint::{ConnectionOptions, ContextTakeover, DeflateMode, DeflateOptions, Limits};
use tidings::server::Server;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Octets of the longest message: 32 MiB.
const MESSAGE_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// `[--listen ADDR] [--deflate [off|shared|history|dedicated]]`
pub(crate) struct Options {
    listen: String,
    /// How messages are compressed; `--deflate` alone means `shared`.
    deflate: Deflate,
}

/// Whose context a connection's compression has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deflate {
    Off,
    /// Nobody's: compressors are shared, without context takeover.
    Shared,
    /// Shared compressors, and a short history of each connection's own.
    History,
    /// A window of its own for each connection.
    Dedicated,
}

impl Options {
    /// Reads the arguments of this process.
    pub(crate) fn from_args() -> Result<Self, String> {
        let mut options = Self { listen: "127.0.0.1:9001".to_owned(), deflate: Deflate::Off };
        let mut args = std::env::args().skip(1).peekable();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--listen" => options.listen = args.next().ok_or("--listen wants an address")?,
                "--deflate" => {
                    let value = args.next_if(|next| !next.starts_with("--"));
                    options.deflate = Deflate::parse(value.as_deref().unwrap_or("shared"))?;
                }
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        Ok(options)
    }

    /// What connections may hold.
    pub(crate) fn connection(&self) -> ConnectionOptions {
        let limits = Limits { message_octets_max: MESSAGE_OCTETS_MAX, ..Limits::default() };
        ConnectionOptions {
            limits,
            deflate: self.deflate.options(),
            ..ConnectionOptions::default()
        }
    }

    /// Serves until Ctrl-C, and first says at which address.
    pub(crate) async fn serve(&self, app: App) -> Result<(), Box<dyn Error>> {
        let server = Server::new(app).listen(&self.listen).await?;
        for address in server.http_addrs() {
            println!("listening on {address}");
        }
        Ok(server.run().await?)
    }
}

impl Deflate {
    fn options(self) -> Option<DeflateOptions> {
        let mode = match self {
            Self::Off => return None,
            Self::Shared => DeflateMode::Shared,
            Self::History => DeflateMode::History { octets: 1024 },
            Self::Dedicated => DeflateMode::Dedicated,
        };
        let peer_context_takeover = match mode {
            DeflateMode::Shared => ContextTakeover::Refuse,
            _ => ContextTakeover::Allow,
        };
        Some(DeflateOptions { mode, peer_context_takeover, ..DeflateOptions::default() })
    }

    fn parse(value: &str) -> Result<Self, String> {
        match value {
            "off" => Ok(Self::Off),
            "shared" => Ok(Self::Shared),
            "history" => Ok(Self::History),
            "dedicated" => Ok(Self::Dedicated),
            _ => Err(format!("--deflate wants off, shared, history or dedicated, not `{value}`")),
        }
    }
}
