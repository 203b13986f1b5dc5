use std::io::{self, IsTerminal, Write, stdout};
use std::net::SocketAddr;
use std::path::Path;

use tidings::Recovery;

use crate::command::counted::counted;
use crate::demo::{EVENT_STREAM_PATH, STOMP_PATH};

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
        writeln!(out, "tidings {}\n", env!("CARGO_PKG_VERSION"))?;
        self.write_doors(out, &http)?;
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

    /// What listens where, in columns.
    fn write_doors(&self, out: &mut dyn Write, http: &str) -> io::Result<()> {
        let stomp = self.stomp.map_or("off".to_owned(), |address| address.to_string());
        let mut rows = Vec::new();
        match self.http {
            None => rows.push(("HTTP", http, "")),
            Some(_) => rows.extend([
                ("HTTP", http, "WebSocket, SockJS, site"),
                ("", STOMP_PATH, "STOMP over WebSocket and SockJS"),
                ("", EVENT_STREAM_PATH, "event streams"),
            ]),
        }
        let over_tcp = self.stomp.map_or("", |_| "STOMP over TCP, for clients and for telnet");
        rows.push(("STOMP", &stomp, over_tcp));
        let stomp_tls = self.stomp_tls.map(|address| address.to_string());
        if let Some(address) = &stomp_tls {
            rows.push(("STOMPS", address, "STOMP over TLS"));
        }
        let width = rows.iter().map(|(_, place, _)| place.len()).max().unwrap_or_default();
        rows.iter().try_for_each(|(door, place, what)| {
            writeln!(out, "{}", format!("  {door:6} {place:width$}   {what}").trim_end())
        })
    }

    fn write_recovery(&self, out: &mut dyn Write) -> io::Result<()> {
        let Recovery { queues, messages, .. } = self.recovery;
        let found = match (queues, messages) {
            (0, _) => "nothing there yet".to_owned(),
            (queues, messages) => {
                format!(
                    "recovered {} in {}",
                    counted(messages, "message"),
                    counted(queues, "queue")
                )
            }
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

    #[test]
    fn what_is_served_over_http_is_told_with_its_paths() {
        let said = |http| {
            let stomp = "127.0.0.1:61613".parse().ok();
            let (data_dir, recovery) = (Path::new("data"), Recovery::default());
            let announcement = Announcement { http, stomp, stomp_tls: None, data_dir, recovery };
            let mut out = Vec::new();
            announcement.write(&mut out, str::to_owned).unwrap();
            String::from_utf8(out).unwrap()
        };
        let with_http = said("127.0.0.1:8080".parse().ok());
        for line in [
            "  HTTP   http://127.0.0.1:8080/   WebSocket, SockJS, site",
            "         /gs-guide-websocket      STOMP over WebSocket and SockJS",
            "         /api/subscribe           event streams",
            "  STOMP  127.0.0.1:61613          STOMP over TCP, for clients and for telnet",
        ] {
            assert!(with_http.lines().any(|said| said == line), "{line}: {with_http}");
        }
        let without = said(None);
        assert!(without.lines().any(|said| said == "  HTTP   off"), "{without}");
        assert!(!without.contains(STOMP_PATH), "{without}");
    }
}
