use std::fs::{self, Permissions};
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tidings::queues::Queues;
use tokio::net::UnixListener;

use super::api;

/// How long nothing is accepted after a failure: there may be no more files for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket at which the server takes commands. Only its user may open it. Removed with it.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Listens at `path`, in place of a socket that nobody listens at any more.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                let why = "there is a file that is no socket";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                let why = "another server listens there";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
            }
            _ => {}
        }
        // It has its name only once nobody else may open it.
        let unfinished = path.with_extension(format!("sock.{}", std::process::id()));
        let listener = UnixListener::bind(&unfinished)?;
        let placed = fs::set_permissions(&unfinished, Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&unfinished, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers commands, as long as it is polled.
    pub(crate) async fn serve(self, queues: Queues) {
        loop {
            let (stream, _) = accepted(|| self.listener.accept()).await;
            let queues = queues.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let queues = queues.clone();
                    async move { Ok::<_, std::convert::Infallible>(api::answer(&queues, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a command broke off");
                }
            });
        }
    }
}

/// What is accepted next, after as many failures as there may be.
async fn accepted<T, Accepted>(accept: impl Fn() -> Accepted) -> T
where
    Accepted: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a command was not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_accepted_for_a_while_after_a_failure() {
        let (began, failures) = (Instant::now(), Cell::new(0));
        let accept = || async {
            failures.set(failures.get() + 1);
            if failures.get() > 3 { Ok("stream") } else { Err(io::Error::other("too many files")) }
        };
        assert_eq!(accepted(accept).await, "stream");
        // The clock stands still but for what is waited for.
        assert_eq!(began.elapsed(), 3 * ACCEPT_PAUSE);
    }
}
