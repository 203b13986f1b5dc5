use std::fs::Metadata;
use std::future::Future;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tower_http::services::fs::{Backend, TokioBackend, TokioFile};

/// The files of a directory that are meant to be served: regular files, none of them hidden.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: Arc<Path>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// The metadata of what a relative path leads to, if that is a regular file or a directory. Opening a
    /// pipe would hold a thread for as long as nobody writes to it.
    async fn look_up(&self, path: &Path) -> io::Result<(PathBuf, Metadata)> {
        if is_hidden(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = self.root.join(path);
        let metadata = TokioBackend.metadata(path.clone()).await.map_err(|error| {
            // A name that no file can have is the name of no file.
            if error.kind() == io::ErrorKind::InvalidFilename {
                io::ErrorKind::NotFound.into()
            } else {
                error
            }
        })?;
        if metadata.is_file() || metadata.is_dir() {
            Ok((path, metadata))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

impl Backend for Disk {
    type File = TokioFile;
    type Metadata = Metadata;
    type OpenFuture = BoxFuture<TokioFile>;
    type MetadataFuture = BoxFuture<Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let disk = self.clone();
        Box::pin(async move {
            let (path, metadata) = disk.look_up(&path).await?;
            if !metadata.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            TokioBackend.open(path).await
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let disk = self.clone();
        Box::pin(async move { Ok(disk.look_up(&path).await?.1) })
    }
}

/// Whether some part of the path begins with a dot, such as `.git` or `.env`. `.well-known` is public by
/// definition (RFC 8615).
fn is_hidden(path: &Path) -> bool {
    path.components().any(|component| {
        matches!(component, Component::Normal(part)
            if part != ".well-known" && part.as_encoded_bytes().starts_with(b"."))
    })
}
