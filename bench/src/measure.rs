//! One row on one server, once.

use std::error::Error;
use std::thread;
use std::time::Duration;

use crate::arguments::{Options, Pace};
use crate::check::check_echo;
use crate::contestant::{Compiled, Contestant};
use crate::frame::Compression;
use crate::load::{Broadcast, Clients, Delivery, Echo, FirstMessage, Flood, PingPong};
use crate::machine::Cores;
use crate::message::{Frames, Message};
use crate::process::{CpuTime, DataFolder, RunningServer};
use crate::row::{Metric, Row, Work};
use crate::server::{Job, Kind};
use crate::sockjs::{Load, SockJsWork, Transport};
use crate::stomp::{self, Backlog, Door, FanOut, Role, StompWork, Turnover};

/// How long memory has to come to rest.
const REST: Duration = Duration::from_secs(1);

/// The share of the connections that are opened before those that are measured, which then find a
/// server that has its tables and its compiled code.
const FIRST_CONNECTIONS_SHARE: usize = 20;

/// Frames that a flood sends at a time.
const FLOOD_FRAMES: usize = 1024;

/// The share of a backlog's messages that go through before those that are measured, and how long those may take
/// to be sent.
const BACKLOG_WARM_UP_SHARE: u64 = 10;
const BACKLOG_TIME_MAX: Duration = Duration::from_secs(10);

/// What one server needed for one row.
pub(crate) type Sample = Vec<(Metric, f64)>;

/// Why there is no sample.
#[derive(Debug)]
pub(crate) enum NoSample {
    /// The server cannot be started here.
    NotInstalled(String),
    /// It did something else than its work: what was measured would mean nothing.
    Failed(Box<dyn Error>),
}

/// Starts a server, checks it, puts the work of `row` on it, and ends it.
///
/// # Errors
///
/// [`NoSample`].
pub(crate) fn measure(
    row: &Row,
    contestant: &Contestant,
    options: &Options,
) -> Result<Sample, NoSample> {
    let message = row.work.message();
    let (job, cores) = match row.work {
        Work::Echo { cores, .. } => (Job::WebSocket(Kind::Echo), cores),
        Work::Broadcast { .. } => (Job::WebSocket(Kind::Broadcast), Cores::Apart),
        Work::Open { .. } | Work::PingPong { .. } => (Job::WebSocket(Kind::Echo), Cores::Apart),
        Work::SockJs(_) => (Job::SockJs, Cores::Apart),
        Work::Stomp(_) => (Job::Broker, Cores::Apart),
    };
    let data = (job == Job::Broker).then(|| DataFolder::new(options));
    let command = contestant.command(job, message.octets(), message.compression(), options);
    let mut command = command.map_err(NoSample::NotInstalled)?;
    if let Some(data) = &data {
        command.arg("--data-dir").arg(data.path());
    }
    let mut work = || {
        let mut server = RunningServer::start(&mut command, cores)?;
        // The clients of SockJS compare all that they get, and those of brokers as much as they can.
        if contestant.echoes() && matches!(job, Job::WebSocket(_)) {
            check_echo(server.address(), message)?;
        }
        let run = Run { pace: options.pace, contestant, server: &server };
        let sample = run.work(row.work)?;
        server.check()?;
        Ok(sample)
    };
    work().map_err(NoSample::Failed)
}

struct Run<'a> {
    pace: Pace,
    contestant: &'a Contestant,
    server: &'a RunningServer,
}

impl Run<'_> {
    fn work(&self, work: Work) -> Result<Sample, Box<dyn Error>> {
        match work {
            Work::Echo { connections, depth, message, .. } => {
                let frames = message.frames(depth);
                let clients = self.open(connections, message, FirstMessage::Wait)?;
                let mut echo = Echo::start(clients, &frames, depth)?;
                self.deliveries(|window| echo.run(window))
            }
            Work::Broadcast { connections, burst, message } => {
                let frames = message.frames(burst);
                let connections = connections / self.pace.fewer_connections;
                let clients = self.open(connections, message, FirstMessage::Wait)?;
                let mut broadcast = Broadcast::start(clients, &frames, burst)?;
                self.deliveries(|window| broadcast.run(window))
            }
            Work::Open { connections, message } => {
                let frames = message.frames(1);
                self.connections(connections / self.pace.fewer_connections, message, &frames)
            }
            Work::SockJs(work) => self.sockjs(work),
            Work::Stomp(work) => self.stomp(work),
            Work::PingPong { message } => {
                let frames = message.frames(FLOOD_FRAMES);
                let clients = self.open(2, message, FirstMessage::Wait)?;
                self.delays(PingPong::new(clients, &frames))
            }
        }
    }

    fn sockjs(&self, work: SockJsWork) -> Result<Sample, Box<dyn Error>> {
        let address = self.server.address();
        match work {
            SockJsWork::Echo { transport, sessions, depth, octets } => {
                let mut load = Load::open(address, "echo", transport, sessions, octets)?;
                load.echo(depth)?;
                self.deliveries(|window| load.run(window))
            }
            SockJsWork::FanOut { transport, sessions, octets } => {
                let sessions = sessions / self.pace.fewer_connections;
                let mut load = Load::open(address, "broadcast", transport, sessions, octets)?;
                load.publish()?;
                self.deliveries(|window| load.run(window))
            }
            SockJsWork::Idle { sessions } => {
                let sessions = sessions / self.pace.fewer_connections;
                let (transport, first) =
                    (Transport::XhrStreaming, sessions / FIRST_CONNECTIONS_SHARE);
                let mut load = Load::open(address, "echo", transport, first, 0)?;
                thread::sleep(REST);
                let before = self.server.resident_octets()?;
                load.open_more(sessions)?;
                thread::sleep(REST);
                let octets = self.server.resident_octets()?.saturating_sub(before);
                Ok(vec![(Metric::IdleOctets, float(octets) / float(u64::try_from(sessions)?))])
            }
        }
    }

    fn stomp(&self, work: StompWork) -> Result<Sample, Box<dyn Error>> {
        let (address, dialect) = (self.server.address(), self.contestant.dialect());
        let fewer = self.pace.fewer_connections;
        match work {
            StompWork::FanOut { path, door, subscribers, depth, octets } => {
                let subscribers = subscribers.div_ceil(fewer);
                let door_address = match door {
                    Door::Tcp => address,
                    _ => self.server.http_address().ok_or("it has no such door")?,
                };
                let addresses = (door_address, address);
                let of = (subscribers, depth, octets);
                let mut fan_out = FanOut::open(addresses, dialect, (path, door), of)?;
                self.deliveries(|window| fan_out.run(window))
            }
            StompWork::Turnover { octets } => {
                let mut turnover = Turnover::open(address, octets)?;
                self.deliveries(|window| turnover.run(window))
            }
            StompWork::Backlog { messages, octets } => {
                let warm_up = messages / BACKLOG_WARM_UP_SHARE;
                Backlog::open(address, octets)?.run(warm_up, self.warm_up())?;
                let backlog = Backlog::open(address, octets)?;
                let messages = messages / u64::try_from(fewer)?;
                self.measured(|| backlog.run(messages, BACKLOG_TIME_MAX))
            }
            StompWork::Idle { connections } => {
                let connections = connections / fewer;
                let mut clients = stomp::Clients::new(address, dialect)?;
                self.idle(connections, |count| {
                    clients.open(count, Role::Subscriber, Door::Tcp).map(drop)
                })
            }
        }
    }

    fn open(
        &self,
        connections: usize,
        message: Message,
        first: FirstMessage<'_>,
    ) -> Result<Clients, Box<dyn Error>> {
        let mut clients = Clients::new(self.server.address(), reply_len(message))?;
        clients.open(connections, message.compression(), first)?;
        Ok(clients)
    }

    fn warm_up(&self) -> Duration {
        match self.contestant.compiled() {
            Compiled::AheadOfTime => self.pace.warm_up,
            Compiled::JustInTime => self.pace.warm_up_just_in_time,
        }
    }

    fn deliveries(
        &self,
        mut run: impl FnMut(Duration) -> Result<Delivery, Box<dyn Error>>,
    ) -> Result<Sample, Box<dyn Error>> {
        run(self.warm_up())?;
        self.measured(|| run(self.pace.window))
    }

    fn measured(
        &self,
        run: impl FnOnce() -> Result<Delivery, Box<dyn Error>>,
    ) -> Result<Sample, Box<dyn Error>> {
        let (before, clients_before) = (self.server.cpu_time()?, CpuTime::of_this_thread()?);
        let delivery = run()?;
        let cpu = self.cpu_since(&before)?;
        let clients = CpuTime::of_this_thread()?.microseconds_since(&clients_before);
        let (messages, seconds) = (float(delivery.messages), delivery.took.as_secs_f64());
        Ok(vec![
            (Metric::CpuPerMessage, cpu / messages),
            (Metric::ReplyOctets, float(delivery.octets) / messages),
            (Metric::MessagesPerSecond, messages / seconds),
            (Metric::ClientsShare, clients / seconds / 10_000.0),
        ])
    }

    fn connections(
        &self,
        count: usize,
        message: Message,
        frames: &Frames,
    ) -> Result<Sample, Box<dyn Error>> {
        let first = FirstMessage::Echo(frames);
        let mut clients = Clients::new(self.server.address(), reply_len(message))?;
        self.idle(count, |count| clients.open(count, message.compression(), first))
    }

    /// What connections cost that `open` opens and that are idle then.
    fn idle(
        &self,
        count: usize,
        mut open: impl FnMut(usize) -> Result<(), Box<dyn Error>>,
    ) -> Result<Sample, Box<dyn Error>> {
        open(count / FIRST_CONNECTIONS_SHARE)?;
        thread::sleep(REST);
        let (cpu_before, octets_before) = (self.server.cpu_time()?, self.server.resident_octets()?);
        open(count)?;
        let cpu = self.cpu_since(&cpu_before)?;
        thread::sleep(REST);
        let octets = self.server.resident_octets()?.saturating_sub(octets_before);
        let count = float(u64::try_from(count)?);
        Ok(vec![
            (Metric::IdleOctets, float(octets) / count),
            (Metric::CpuPerConnection, cpu / count),
        ])
    }

    fn delays(&self, mut ping_pong: PingPong<'_>) -> Result<Sample, Box<dyn Error>> {
        ping_pong.run(self.warm_up(), Flood::Absent)?;
        let alone = ping_pong.run(self.pace.window, Flood::Absent)?;
        ping_pong.run(self.warm_up(), Flood::Present)?;
        let flooded = ping_pong.run(self.pace.window, Flood::Present)?;
        Ok(vec![
            (Metric::DelayP99, percentile(&alone, 99)),
            (Metric::DelayMax, percentile(&alone, 100)),
            (Metric::FloodedDelayP99, percentile(&flooded, 99)),
            (Metric::FloodedDelayMax, percentile(&flooded, 100)),
        ])
    }

    fn cpu_since(&self, before: &CpuTime) -> Result<f64, Box<dyn Error>> {
        Ok(self.server.cpu_time()?.microseconds_since(before))
    }
}

/// What comes back has the length of what was sent, unless it is compressed.
fn reply_len(message: Message) -> Option<usize> {
    (message.compression() == Compression::Off).then_some(message.octets())
}

/// In milliseconds, of delays in order. 100 is the longest.
fn percentile(delays: &[Duration], percent: usize) -> f64 {
    let index = (delays.len() * percent).div_ceil(100).saturating_sub(1);
    delays.get(index).map_or(0.0, |delay| delay.as_secs_f64() * 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_delays() {
        let delays: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((percentile(&delays, 99) - 198.0).abs() < 1e-9);
        assert!((percentile(&delays, 100) - 200.0).abs() < 1e-9);
        assert!((percentile(&delays[..1], 99) - 1.0).abs() < 1e-9);
        assert!(percentile(&[], 99).abs() < 1e-9);
    }
}
