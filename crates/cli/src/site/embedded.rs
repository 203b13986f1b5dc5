use std::future::{Ready, ready};
use std::io::{self, Cursor, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs;

/// The files below `site/`, by path. Written by `build.rs`.
static ENTRIES: &[Entry] = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// The bundled files as a file system for `ServeDir`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embedded;

#[derive(Debug)]
pub(super) struct Entry {
    /// Relative to the root, with `/` between its parts.
    path: &'static str,
    digest: u64,
    octets: &'static [u8],
}

impl Embedded {
    /// The paths of all files, in order.
    #[cfg(test)]
    pub(super) fn paths() -> impl Iterator<Item = &'static str> {
        ENTRIES.iter().map(|entry| entry.path)
    }
}

impl fs::Backend for Embedded {
    type File = File;
    type Metadata = Metadata;
    type OpenFuture = Ready<io::Result<File>>;
    type MetadataFuture = Ready<io::Result<Metadata>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let entry = relative(&path).and_then(|path| find(&path));
        ready(entry.map(File::new).ok_or_else(not_found))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let metadata = relative(&path).and_then(|path| match find(&path) {
            Some(entry) => Some(Metadata::File(entry)),
            None => is_directory(&path).then_some(Metadata::Directory),
        });
        ready(metadata.ok_or_else(not_found))
    }
}

/// An open bundled file.
#[derive(Debug)]
pub(super) struct File {
    entry: &'static Entry,
    octets: Cursor<&'static [u8]>,
}

impl File {
    fn new(entry: &'static Entry) -> Self {
        Self { entry, octets: Cursor::new(entry.octets) }
    }
}

impl fs::File for File {
    type Metadata = Metadata;
    type MetadataFuture<'a> = Ready<io::Result<Metadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(Metadata::File(self.entry)))
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.octets).poll_read(cx, buf)
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.octets).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.octets).poll_complete(cx)
    }
}

/// What `ServeDir` asks about a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Metadata {
    File(&'static Entry),
    Directory,
}

impl fs::Metadata for Metadata {
    fn is_dir(&self) -> bool {
        matches!(self, Self::Directory)
    }

    /// The digest of the content, as if it were a time.
    ///
    /// `ServeDir` makes the `ETag` of it and of the length. A date would be that of the checkout or of the
    /// build: it would tell equal files apart and make builds irreproducible. `Last-Modified` and the
    /// conditions on it are taken out by the caller.
    fn modified(&self) -> io::Result<SystemTime> {
        match self {
            Self::File(entry) => Ok(SystemTime::UNIX_EPOCH + Duration::from_nanos(entry.digest)),
            Self::Directory => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::File(entry) => entry.octets.len() as u64,
            Self::Directory => 0,
        }
    }
}

/// The path as the table writes it; none when it leads out of the root.
fn relative(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

fn find(path: &str) -> Option<&'static Entry> {
    ENTRIES.binary_search_by(|entry| entry.path.cmp(path)).ok().and_then(|index| ENTRIES.get(index))
}

fn is_directory(path: &str) -> bool {
    path.is_empty()
        || ENTRIES
            .iter()
            .any(|entry| entry.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}
