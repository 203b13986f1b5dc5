//! A server in a process of its own, and what it costs.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::machine::{Cores, on_cores_of_server};

/// What a server prints before its address.
const LISTENING: &str = "listening on ";

/// A server that is running; dropping it ends it.
#[derive(Debug)]
pub(crate) struct RunningServer {
    child: Child,
    address: String,
    complaint: Arc<Mutex<String>>,
}

/// CPU time that each thread of a process has used, in nanoseconds.
#[derive(Debug)]
pub(crate) struct CpuTime(Vec<(u64, u64)>);

impl RunningServer {
    /// Starts a server, and waits for its address.
    ///
    /// # Errors
    ///
    /// When it does not start; with the last that it had to say.
    pub(crate) fn start(command: &mut Command, cores: Cores) -> Result<Self, Box<dyn Error>> {
        let child = on_cores_of_server(cores, || spawn(command))
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Self::of(child)
    }

    fn of(mut child: Child) -> Result<Self, Box<dyn Error>> {
        let stdout = child.stdout.take();
        let mut server = Self { child, address: String::new(), complaint: Arc::default() };
        let listener = server.child.stderr.take().map(|stderr| server.listen_to(stderr));
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix(LISTENING) {
            Some(address) => server.address = address.to_owned(),
            None => {
                server.end();
                let _ = listener.map(thread::JoinHandle::join);
                return Err(format!("the server does not start: {}", server.complaint()).into());
            }
        }
        Ok(server)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sees to it that the server is still there.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(crate) fn check(&mut self) -> Result<(), Box<dyn Error>> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("the server ended, {status}: {}", self.complaint()).into()),
        }
    }

    /// The CPU time used so far.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, Box<dyn Error>> {
        let mut threads = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?;
            // A thread may end while we look.
            let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let id = task.file_name().to_string_lossy().parse()?;
            threads.push((id, schedstat.split(' ').next().unwrap_or_default().parse()?));
        }
        Ok(CpuTime(threads))
    }

    /// Octets of memory that are resident.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn resident_octets(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.ok_or("no VmRSS")?.trim().trim_end_matches(" kB").parse::<u64>()?;
        Ok(kibibytes * 1024)
    }

    /// Keeps the last that the server complains of.
    fn listen_to(&self, stderr: ChildStderr) -> thread::JoinHandle<()> {
        let complaint = Arc::clone(&self.complaint);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *complaint.lock().unwrap_or_else(PoisonError::into_inner) = line;
            }
        })
    }

    fn complaint(&self) -> String {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.end();
    }
}

impl CpuTime {
    /// Microseconds used since `earlier`, by the threads that are there now.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a few minutes")]
    pub(crate) fn microseconds_since(&self, earlier: &Self) -> f64 {
        let before = |id: u64| earlier.0.iter().find(|thread| thread.0 == id).map_or(0, |t| t.1);
        let nanoseconds = self.0.iter().map(|&(id, now)| now.saturating_sub(before(id)));
        nanoseconds.sum::<u64>() as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Result<RunningServer, Box<dyn Error>> {
        RunningServer::of(spawn(Command::new("sh").args(["-c", script])).unwrap())
    }

    #[test]
    fn threads_that_come_count_and_those_that_go_do_not() {
        let earlier = CpuTime(vec![(1, 5_000), (2, 9_000)]);
        let later = CpuTime(vec![(1, 7_000), (3, 1_000)]);
        assert!((later.microseconds_since(&earlier) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let error = start("echo port taken >&2").unwrap_err();
        assert_eq!(error.to_string(), "the server does not start: port taken");
    }

    #[test]
    fn a_running_server_has_an_address_and_costs_time_and_memory() {
        let mut server = start("echo listening on 127.0.0.1:9; exec tail -f /dev/null").unwrap();
        assert_eq!(server.address(), "127.0.0.1:9");
        server.check().unwrap();
        server.cpu_time().unwrap();
        assert!(server.resident_octets().unwrap() > 0);
    }

    #[test]
    fn a_server_that_ended_is_noticed() {
        let mut server = start("echo listening on 127.0.0.1:9; exit 3").unwrap();
        server.child.wait().unwrap();
        assert!(server.check().unwrap_err().to_string().contains("exit status: 3"));
    }
}
