use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream whose writes fail once the peer has taken nothing for a while: hyper itself would wait
/// for ever for a client that asks and does not read.
#[derive(Debug)]
pub(crate) struct PatientStream<S> {
    /// Octets that were read already, to be read again.
    prefix: Bytes,
    stream: S,
    send_timeout: Duration,
    /// Set while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    progress: Progress,
}

/// Whether a write waits, for whoever does not have the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicBool>);

impl Progress {
    pub(crate) fn is_stalled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> PatientStream<S> {
    pub(crate) fn new(stream: S, send_timeout: Duration) -> Self {
        let progress = Progress::default();
        Self { prefix: Bytes::new(), stream, send_timeout, stalled: None, progress }
    }

    /// Tells `progress` how its writes stand.
    pub(crate) fn with_progress(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// Has `prefix` read before what the stream gives.
    pub(crate) fn with_prefix(self, prefix: Bytes) -> Self {
        Self { prefix, ..self }
    }

    /// The stream, and what is still to be read before it.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.prefix)
    }

    fn poll_patience<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stalled.take().is_some() {
                self.progress.0.store(false, Ordering::Relaxed);
            }
            return written;
        }
        let timeout = self.send_timeout;
        let stalled = self.stalled.get_or_insert_with(|| {
            self.progress.0.store(true, Ordering::Relaxed);
            Box::pin(tokio::time::sleep(timeout))
        });
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let len = self.prefix.len().min(buffer.remaining());
            buffer.put_slice(&self.prefix.split_to(len));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.poll_patience(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_patience(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_patience(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.poll_patience(cx, shut_down)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_the_peer_never_takes_fails() {
        let (_peer, stream) = tokio::io::duplex(16);
        let mut stream = PatientStream::new(stream, Duration::from_secs(20));
        stream.write_all(&[0; 16]).await.unwrap();
        let error = stream.write_all(&[0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_was_read_already_is_read_first() {
        let (mut peer, stream) = tokio::io::duplex(16);
        peer.write_all(b"def").await.unwrap();
        drop(peer);
        let stream = PatientStream::new(stream, Duration::from_secs(20));
        let mut read = Vec::new();
        stream.with_prefix(Bytes::from_static(b"abc")).read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"abcdef");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_little_now_and_then_is_waited_for() {
        let (mut peer, stream) = tokio::io::duplex(1);
        let mut stream = PatientStream::new(stream, Duration::from_secs(20));
        let reading = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_secs(15));
            for _ in 0..5 {
                ticks.tick().await;
                peer.read_u8().await.unwrap();
            }
        });
        stream.write_all(&[0; 5]).await.unwrap();
        reading.await.unwrap();
    }
}
