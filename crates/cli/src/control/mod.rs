//! How the command line reaches the running server: HTTP and JSON over a Unix socket beside the data
//! directory.

mod api;
mod client;
mod socket;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub(crate) use self::api::{
    Deleted, Moved, Problem, Purged, QueueRow, SHOWN_MAX, ShownMessage, path_of,
};
pub(crate) use self::client::Client;
pub(crate) use self::socket::ControlSocket;

/// Where the socket is: the `--control` of server and commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Off,
    At(PathBuf),
}

impl FromStr for Control {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "off" { Self::Off } else { Self::At(text.into()) })
    }
}

/// The socket of a data directory: `DIR.sock`.
pub(crate) fn beside(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.file_name().unwrap_or_default().to_owned();
    name.push(".sock");
    data_dir.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_beside_the_data_directory() {
        for (directory, socket) in [
            ("./tidings-data", "./tidings-data.sock"),
            ("/var/lib/tidings/", "/var/lib/tidings.sock"),
            ("data.d", "data.d.sock"),
        ] {
            assert_eq!(beside(Path::new(directory)), Path::new(socket));
        }
    }
}
