//! A server in a process of its own, and what it costs.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::arguments::Options;
use crate::machine::{Cores, on_cores_of_server};

/// What a server prints before its address.
const LISTENING: &str = "listening on ";

/// What is between its addresses, where it has two.
const BETWEEN_ADDRESSES: &str = ", HTTP on ";

/// A server that is running, with all the processes that it has started; dropping it ends them.
#[derive(Debug)]
pub(crate) struct RunningServer {
    child: Child,
    /// What it said after [`LISTENING`]: an address, and perhaps another one for HTTP.
    addresses: String,
    complaint: Arc<Mutex<String>>,
}

/// CPU time that each of some threads has used, in nanoseconds.
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
        let mut server = Self { child, addresses: String::new(), complaint: Arc::default() };
        let listener = server.child.stderr.take().map(|stderr| server.listen_to(stderr));
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().strip_prefix(LISTENING) {
            Some(addresses) => addresses.clone_into(&mut server.addresses),
            None => {
                server.end();
                let _ = listener.map(thread::JoinHandle::join);
                return Err(format!("the server does not start: {}", server.complaint()).into());
            }
        }
        Ok(server)
    }

    pub(crate) fn address(&self) -> &str {
        self.addresses.split(BETWEEN_ADDRESSES).next().unwrap_or_default()
    }

    /// Where it speaks HTTP, if that is another address.
    pub(crate) fn http_address(&self) -> Option<&str> {
        self.addresses.split(BETWEEN_ADDRESSES).nth(1)
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
        for process in self.processes()?.iter().map(|id| folder(*id)) {
            // A process, or a thread, may end while we look.
            let Ok(tasks) = fs::read_dir(process.join("task")) else { continue };
            for task in tasks {
                let task = task?;
                let schedstat = fs::read_to_string(task.path().join("schedstat"));
                let Ok(schedstat) = schedstat else { continue };
                let id = task.file_name().to_string_lossy().parse()?;
                threads.push((id, running_time(&schedstat)?));
            }
        }
        Ok(CpuTime(threads))
    }

    /// Octets of memory that are resident.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn resident_octets(&self) -> Result<u64, Box<dyn Error>> {
        let mut octets = 0;
        for process in self.processes()?.iter().map(|id| folder(*id)) {
            let Ok(status) = fs::read_to_string(process.join("status")) else { continue };
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            // A process that has ended and that nobody has waited for has none.
            let Some(line) = line else { continue };
            octets += line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024;
        }
        Ok(octets)
    }

    /// The server's process, and those that it has started.
    fn processes(&self) -> Result<Vec<u32>, Box<dyn Error>> {
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(stat) = fs::read_to_string(folder(id).join("stat")) else { continue };
            // The name of the program is in parentheses; then come its state and its parent.
            let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
            let parent = after_name.and_then(|rest| rest.split_whitespace().nth(1));
            parents.push((id, parent.unwrap_or_default().parse()?));
        }
        Ok(descendants(self.child.id(), &parents))
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
        // They may have ended by themselves.
        for id in self.processes().unwrap_or_default() {
            if let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
        }
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
    /// That of the thread that asks.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub(crate) fn of_this_thread() -> Result<Self, Box<dyn Error>> {
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
        Ok(Self(vec![(0, running_time(&schedstat)?)]))
    }

    /// Microseconds used since `earlier`, by the threads that are there now.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a few minutes")]
    pub(crate) fn microseconds_since(&self, earlier: &Self) -> f64 {
        let before = |id: u64| earlier.0.iter().find(|thread| thread.0 == id).map_or(0, |t| t.1);
        let nanoseconds = self.0.iter().map(|&(id, now)| now.saturating_sub(before(id)));
        nanoseconds.sum::<u64>() as f64 / 1000.0
    }
}

/// What the system tells of a process.
fn folder(id: u32) -> PathBuf {
    Path::new("/proc").join(id.to_string())
}

/// A process and all that have come of it, where each is told with its parent.
fn descendants(first: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![first];
    let mut looked_at = 0;
    while let Some(&parent) = found.get(looked_at) {
        looked_at += 1;
        let children = parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id);
        found.extend(children.filter(|id| *id != first));
    }
    found
}

/// The first number of a `schedstat`.
fn running_time(schedstat: &str) -> Result<u64, Box<dyn Error>> {
    Ok(schedstat.split(' ').next().unwrap_or_default().parse()?)
}

/// Where a broker keeps what it keeps; removed when it is dropped, which has to be after the broker.
#[derive(Debug)]
pub(crate) struct DataFolder(PathBuf);

impl DataFolder {
    /// A folder of its own, on the disk that the peers are on. It is not created.
    pub(crate) fn new(options: &Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = options.peers.join(format!("data-{}-{number}", process::id()));
        Self(std::path::absolute(&folder).unwrap_or(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // It may not have been needed.
        let _ = fs::remove_dir_all(&self.0);
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
    fn children_of_children_belong_to_a_server() {
        let parents = [(1, 0), (5, 1), (7, 5), (8, 1), (9, 7), (10, 5)];
        assert_eq!(descendants(5, &parents), [5, 7, 10, 9]);
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let error = start("echo port taken >&2").unwrap_err();
        assert_eq!(error.to_string(), "the server does not start: port taken");
    }

    #[test]
    fn a_running_server_has_an_address_and_costs_time_and_memory() {
        // It would end with the pipe that nobody reads any more.
        let program = "echo listening on 127.0.0.1:9; exec tail -f /dev/null > /dev/null";
        let mut server = start(program).unwrap();
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
