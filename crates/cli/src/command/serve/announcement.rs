use std::io::{self, IsTerminal, Write, stdout};
use std::net::SocketAddr;
use std::path::Path;

use tidings::Recovery;

/// What the server says when it begins: what listens where, what was found, the page to open, and how to stop.
pub(super) struct Announcement<'a> {
    pub(super) http: Option<SocketAddr>,
    pub(super) stomp: Option<SocketAddr>,
    pub(super) stomp_tls: Option<SocketAddr>,
    pub(super) data_dir: &'a Path,
    pub(super) recovery: Recovery,
}

impl Announcement<'_> {
    pub(super) fn print(&self) -> io::Result<()> {
        let bold = |text: &str| {
            if stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
        };
        self.write(&mut stdout().lock(), bold)
    }

    fn write(&self, out: &mut dyn Write, bold: impl Fn(&str) -> String) -> io::Result<()> {
        let http = self.http.map_or("off".to_owned(), |address| format!("http://{address}/"));
        let stomp = self.stomp.map_or("off".to_owned(), |address| address.to_string());
        let width = http.len().max(stomp.len());
        let what = |is_on: bool, what: &'static str| if is_on { what } else { "" };
        let over_http =
            what(self.http.is_some(), "   WebSocket, SockJS, STOMP over WebSocket, site");
        let over_tcp = what(self.stomp.is_some(), "   STOMP over TCP, for clients and for telnet");
        writeln!(out, "tidings {}\n", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "  HTTP   {http:width$}{over_http}")?;
        writeln!(out, "  STOMP  {stomp:width$}{over_tcp}")?;
        if let Some(address) = self.stomp_tls {
            writeln!(out, "  STOMPS {address}   STOMP over TLS")?;
        }
        self.write_recovery(out)?;
        writeln!(out)?;
        if self.http.is_some() {
            writeln!(out, "  Open   {} in a browser", bold(&http))?;
        }
        writeln!(out, "  Stop   Ctrl-C\n")?;
        if self.is_public() {
            let who = "Anyone who can reach this address may connect: any login is accepted.";
            writeln!(out, "  {who}\n")?;
        }
        out.flush()
    }

    fn write_recovery(&self, out: &mut dyn Write) -> io::Result<()> {
        let Recovery { queues, messages, .. } = self.recovery;
        let found = match (queues, messages) {
            (0, _) => "nothing there yet".to_owned(),
            (queues, messages) => format!("recovered {messages} messages in {queues} queues"),
        };
        writeln!(out, "  Queues {}   {found}", self.data_dir.display())
    }

    /// Whether other machines may reach any of the addresses.
    fn is_public(&self) -> bool {
        let addresses = [self.http, self.stomp, self.stomp_tls];
        addresses.into_iter().flatten().any(|address| !address.ip().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_for_other_machines_is_warned() {
        let (own, public) = ("127.0.0.1:1".parse().ok(), "0.0.0.0:2".parse().ok());
        let check = |http, stomp, stomp_tls, is_public: bool| {
            let (data_dir, recovery) = (Path::new("data"), Recovery::default());
            let announcement = Announcement { http, stomp, stomp_tls, data_dir, recovery };
            let mut out = Vec::new();
            announcement.write(&mut out, str::to_owned).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.contains("Anyone who can reach"), is_public, "{out}");
            assert_eq!(out.contains("Open   http://"), http.is_some(), "{out}");
        };
        check(own, own, own, false);
        check(own, None, None, false);
        check(public, None, None, true);
        check(own, public, None, true);
        check(own, own, public, true);
        check(None, None, public, true);
    }
}
