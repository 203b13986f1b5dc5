use std::collections::BTreeMap;
use std::time::Duration;

use tidings_broker::Destination;

use crate::client::{Connection, Seen};
use crate::disk::Disk;
use crate::door::{DoorKind, Packet};
use crate::model::{Manner, Model, Persistence, queue_of};
use crate::plan::Plan;
use crate::publication::Publication;
use crate::random::Random;
use crate::role::{CLIENTS, MOVED_FROM, MOVED_TO, Role};
use crate::schedule::Schedule;
use crate::server::{Now, Server};
use crate::session::{Life, ServerSession};
use crate::trace::Trace;
use crate::wrong::Verdict;

/// In microseconds.
const MILLISECOND: u64 = 1000;

/// How long everything has to come to rest once nothing goes wrong any more.
const REST: u64 = 60_000 * MILLISECOND;

/// How long frames wait for room in queues.
const PATIENCE: u64 = 100 * MILLISECOND;

/// Everything: clients, network, server, disk, and who checks them.
pub(crate) struct World {
    plan: Plan,
    random: Random,
    schedule: Schedule<Event>,
    trace: Trace,
    pub(crate) model: Model,
    disk: Disk,
    server: Option<Server>,
    /// How many servers there have been.
    generation: u64,
    /// Whether commits are to be begun.
    committing: Committing,
    clients: Vec<Client>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    mood: Mood,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Clients work, and things go wrong.
    Stormy,
    /// What has been begun comes to its end.
    Calm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Committing {
    GoesOn,
    /// One has failed, and is tried again later.
    Waits,
}

struct Client {
    role: Role,
    connection: Option<Connection>,
}

/// One connection, as the network has it.
#[derive(Debug)]
struct Link {
    client: usize,
    /// The usual time that a packet takes, in each direction.
    latency_up: u64,
    latency_down: u64,
    /// When the last packet arrives, in each direction.
    last_up: u64,
    last_down: u64,
}

#[derive(Debug)]
enum Event {
    Connect {
        client: usize,
    },
    Act {
        client: usize,
    },
    ToServer {
        link: u64,
        packet: Packet,
    },
    ToClient {
        link: u64,
        packet: Packet,
    },
    /// The link is cut, which its ends notice later.
    Cut,
    ServerNotices {
        link: u64,
    },
    ClientNotices {
        link: u64,
    },
    CommitEnds {
        generation: u64,
    },
    CommitAgain {
        generation: u64,
    },
    Alarm {
        generation: u64,
    },
    /// An operation ends that has taken its time.
    OperationEnds {
        generation: u64,
    },
    /// What waits for room is answered.
    GiveUp {
        generation: u64,
        link: u64,
    },
    /// The application sends something.
    Publish,
    /// An operator looks after dead letters.
    Revive,
    DiskIsFull,
    DiskHasRoom,
    Crash,
    Restart,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let schedule = Schedule::new();
        let mut disk = Disk::new(trace.clone());
        let now = Now { instant: schedule.instant(), timestamp: schedule.timestamp() };
        let (plant, seed) = (plan.plant, Random::new(random.next()));
        let server = Server::start(now, &mut disk, plant, seed, trace.clone());
        let server = server.expect("nothing is stored yet");
        // Every run has other clients, so that each of them is sometimes alone.
        let roles: Vec<Role> = CLIENTS.iter().copied().filter(|_| random.percent(85)).collect();
        let clients = roles.into_iter().map(|role| Client { role, connection: None }).collect();
        Self {
            plan,
            random,
            schedule,
            model: Model::new(trace.clone()),
            trace,
            disk,
            server: Some(server),
            generation: 1,
            committing: Committing::GoesOn,
            clients,
            links: BTreeMap::new(),
            next_link: 1,
            mood: Mood::Stormy,
        }
    }

    /// Runs to the end, or to the first thing that is not as it should be.
    pub(crate) fn run(&mut self) -> Verdict {
        for client in 0..self.clients.len() {
            let delay = self.random.below(20 * MILLISECOND);
            self.schedule.after(delay, Event::Connect { client });
        }
        self.expect_trouble();
        let storm = self.plan.milliseconds * MILLISECOND;
        self.run_until(storm)?;
        self.calm_down()?;
        self.drain()?;
        self.model.check_at_the_end()
    }

    fn run_until(&mut self, end: u64) -> Verdict {
        while let Some(event) = self.schedule.next(end) {
            self.trace.set_time(self.schedule.now());
            self.handle(event)?;
            self.pump()?;
        }
        self.schedule.skip_to(end);
        Ok(())
    }

    /// Nothing goes wrong any more, and clients begin nothing new.
    fn calm_down(&mut self) -> Verdict {
        self.mood = Mood::Calm;
        self.disk.is_full = false;
        if self.server.is_none() {
            self.restart()?;
        }
        self.publish();
        self.run_until(self.schedule.now() + REST)?;
        let is_live = |client: &&Client| client.connection.as_ref().is_some_and(|it| !it.is_over());
        let live: Vec<&Client> = self.clients.iter().filter(is_live).collect();
        let of = |client: &Client| client.connection.as_ref().map_or(0, Connection::key);
        for listener in &live {
            let Role::Listener { place, .. } = listener.role else { continue };
            let is_heard =
                |client: &&&Client| matches!(client.role, Role::Producer([only]) if *only == place);
            for producer in live.iter().filter(is_heard) {
                self.model.caught_up(of(listener), of(producer))?;
            }
        }
        live.into_iter().try_for_each(|client| self.check_has_all(client))
    }

    /// Whoever consumes has everything that there is, or as much as it may have.
    fn check_has_all(&self, client: &Client) -> Verdict {
        let (Some(connection), Some(server)) = (&client.connection, &self.server) else {
            return Ok(());
        };
        let Some(place) = connection.may_have_more()? else { return Ok(()) };
        match server.ready(queue_of(place)) {
            0 => Ok(()),
            ready => {
                let key = connection.key();
                Err(format!("{key:x} could have more, and {ready} messages wait in {place}").into())
            }
        }
    }

    /// All clients leave, and one comes and takes what is left.
    fn drain(&mut self) -> Verdict {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.cut(link);
        }
        self.run_until(self.schedule.now() + REST)?;
        if let Some(server) = &self.server {
            self.disk.check_holds_just(&server.persistent())?;
        }
        // What is left is what the server knows, or what the next one finds on disk.
        if self.random.percent(50) {
            self.stop();
            self.restart()?;
        }
        self.clients.push(Client { role: Role::Drain, connection: None });
        let client = self.clients.len() - 1;
        self.connect(client);
        self.run_until(self.schedule.now() + REST)
    }

    fn expect_trouble(&mut self) {
        let storm = self.plan.milliseconds * MILLISECOND;
        for _ in 0..self.random.below(4) {
            let at = self.random.below(storm);
            self.schedule.at(at, Event::Crash);
        }
        for _ in 0..self.random.below(8) {
            let at = self.random.below(storm);
            self.schedule.at(at, Event::Cut);
        }
        for _ in 0..self.random.below(10) {
            let at = self.random.below(storm);
            self.schedule.at(at, Event::Revive);
        }
        for _ in 0..self.random.below(60) {
            let at = self.random.below(storm);
            self.schedule.at(at, Event::Publish);
        }
        for _ in 0..self.random.below(3) {
            let at = self.random.below(storm);
            let lasts = self.random.between(5 * MILLISECOND, 600 * MILLISECOND);
            self.schedule.at(at, Event::DiskIsFull);
            self.schedule.at(at + lasts, Event::DiskHasRoom);
        }
    }

    fn handle(&mut self, event: Event) -> Verdict {
        match event {
            Event::Connect { client } if self.mood == Mood::Stormy => self.connect(client),
            Event::Act { client } if self.mood == Mood::Stormy => self.act(client),
            Event::Connect { .. } | Event::Act { .. } => {}
            Event::ToServer { link, packet } => self.arrive_at_server(link, packet),
            Event::ToClient { link, packet } => return self.arrive_at_client(link, packet),
            Event::Cut => {
                let links: Vec<u64> = self.links.keys().copied().collect();
                if !links.is_empty() && self.mood == Mood::Stormy {
                    self.model.counts.cuts += 1;
                    let link = *self.random.pick(&links);
                    self.cut(link);
                }
            }
            Event::ServerNotices { link } => {
                let now = self.now();
                if let Some(server) = &mut self.server {
                    self.model.may_go_back();
                    server.disconnect(now, link);
                }
            }
            Event::ClientNotices { link } => self.client_notices(link),
            Event::CommitEnds { generation } if generation == self.generation => self.commit_ends(),
            Event::CommitAgain { generation } if generation == self.generation => {
                self.committing = Committing::GoesOn;
            }
            Event::Alarm { generation } if generation == self.generation => {
                let now = self.now();
                if let Some(server) = &mut self.server {
                    server.handle_timeout(now);
                }
            }
            Event::OperationEnds { generation } if generation == self.generation => {
                if let Some(server) = &mut self.server {
                    server.end_operation();
                }
            }
            Event::GiveUp { generation, link } if generation == self.generation => {
                let now = self.now();
                if let Some(server) = &mut self.server {
                    return server.give_up(now, link);
                }
            }
            Event::GiveUp { .. }
            | Event::CommitEnds { .. }
            | Event::CommitAgain { .. }
            | Event::OperationEnds { .. }
            | Event::Alarm { .. } => {}
            Event::Publish => self.publish(),
            Event::Revive => self.revive(),
            Event::DiskIsFull => {
                self.note(format_args!("the disk is full"));
                self.disk.is_full = self.mood == Mood::Stormy;
            }
            Event::DiskHasRoom => {
                self.note(format_args!("the disk has room"));
                self.disk.is_full = false;
            }
            Event::Crash => self.crash(),
            Event::Restart if self.server.is_none() => return self.restart(),
            Event::Restart => {}
        }
        Ok(())
    }

    fn connect(&mut self, client: usize) {
        let Some(server) = &mut self.server else {
            let delay = self.random.between(10 * MILLISECOND, 100 * MILLISECOND);
            return self.schedule.after(delay, Event::Connect { client });
        };
        let key = self.next_link;
        self.next_link += 1;
        let kind = if self.random.percent(30) { DoorKind::SockJs } else { DoorKind::Tcp };
        let role = self.clients[client].role;
        let instant = self.schedule.instant();
        server.sessions.insert(key, ServerSession::new(instant, kind));
        let (connection, opening) = Connection::new(instant, key, role, kind, &mut self.random);
        let slow = if self.random.percent(20) { 20 } else { 1 };
        let link = Link {
            client,
            latency_up: self.random.between(100, 2000),
            latency_down: self.random.between(100, 2000) * slow,
            last_up: 0,
            last_down: 0,
        };
        self.links.insert(key, link);
        self.clients[client].connection = Some(connection);
        self.note(format_args!("{role:?} connects as {key} by {kind:?}"));
        if let Some(packet) = opening {
            self.send_up(key, packet);
        }
        self.flush_client(client);
        self.schedule.after(MILLISECOND, Event::Act { client });
    }

    fn act(&mut self, client: usize) {
        let Some(connection) = &mut self.clients[client].connection else { return };
        let Self { random, model, disk, .. } = self;
        connection.act(&mut Seen { random, model, disk });
        self.flush_client(client);
        let delay = self.random.between(10 * MILLISECOND, 150 * MILLISECOND);
        self.schedule.after(delay, Event::Act { client });
    }

    fn arrive_at_server(&mut self, link: u64, packet: Packet) {
        let now = self.now();
        let (Some(server), true) = (&mut self.server, self.links.contains_key(&link)) else {
            return;
        };
        let Some(session) = server.sessions.get_mut(&link) else { return };
        if session.handle(now.instant, packet).is_err() {
            session.life = Life::Ending;
        }
        server.advance(now, link);
    }

    fn arrive_at_client(&mut self, link: u64, packet: Packet) -> Verdict {
        let now = self.now();
        let Some(client) = self.links.get(&link).map(|link| link.client) else { return Ok(()) };
        let session = self.server.as_mut().and_then(|it| it.sessions.get_mut(&link));
        let Self { random, model, disk, clients, .. } = self;
        let Some(connection) = &mut clients[client].connection else { return Ok(()) };
        match session {
            Some(session) => session.handle_arrival(&packet),
            None => connection.server_has_left(),
        }
        let answer = connection.handle(now.instant, packet, &mut Seen { random, model, disk })?;
        if connection.is_over() {
            self.note(format_args!("{link} is over"));
            self.links.remove(&link);
            self.schedule.after(MILLISECOND, Event::ServerNotices { link });
            self.leave(client);
            return Ok(());
        }
        if let Some(answer) = answer {
            self.send_up(link, answer);
        }
        self.flush_client(client);
        Ok(())
    }

    /// Sends what a client has to say. Streams arrive in pieces.
    fn flush_client(&mut self, client: usize) {
        while let Some(connection) = &mut self.clients[client].connection {
            let key = connection.key();
            let Some(packet) = connection.poll_packet() else { return };
            self.send_up(key, packet);
        }
    }

    fn send_up(&mut self, key: u64, packet: Packet) {
        let Some(server) = &self.server else { return };
        let is_stream = server.sessions.get(&key).is_some_and(|session| session.is_stream());
        let packets = if is_stream { self.pieces(packet) } else { vec![packet] };
        for packet in packets {
            let Some(link) = self.links.get_mut(&key) else { return };
            let delay = link.latency_up + self.random.below(link.latency_up);
            link.last_up = link.last_up.max(self.schedule.now() + delay);
            self.schedule.at(link.last_up, Event::ToServer { link: key, packet });
        }
    }

    fn send_down(&mut self, key: u64, packet: Packet) {
        for packet in self.pieces(packet) {
            let Some(link) = self.links.get_mut(&key) else { return };
            let delay = link.latency_down + self.random.below(link.latency_down);
            link.last_down = link.last_down.max(self.schedule.now() + delay);
            self.schedule.at(link.last_down, Event::ToClient { link: key, packet });
        }
    }

    /// A stream arrives in any pieces.
    fn pieces(&mut self, packet: Packet) -> Vec<Packet> {
        match packet {
            Packet::Octets(mut octets) if octets.len() > 1 => {
                let mut pieces = Vec::new();
                while octets.len() > 1 && self.random.percent(20) {
                    let len = u64::try_from(octets.len()).unwrap_or(2);
                    let at = usize::try_from(self.random.between(1, len - 1)).unwrap_or(1);
                    pieces.push(Packet::Octets(octets.split_to(at)));
                }
                pieces.push(Packet::Octets(octets));
                pieces
            }
            packet => vec![packet],
        }
    }

    /// The network loses a connection, with everything that is on its way.
    fn cut(&mut self, link: u64) {
        self.note(format_args!("{link} is cut"));
        if self.links.remove(&link).is_none() {
            return;
        }
        let delay = self.random.below(100 * MILLISECOND);
        self.schedule.after(delay, Event::ServerNotices { link });
        let delay = self.random.below(100 * MILLISECOND);
        self.schedule.after(delay, Event::ClientNotices { link });
    }

    fn client_notices(&mut self, link: u64) {
        let is_it = |client: &Client| client.connection.as_ref().is_some_and(|it| it.key() == link);
        if let Some(client) = self.clients.iter().position(is_it) {
            self.leave(client);
        }
    }

    /// A client is without a connection, and comes back.
    fn leave(&mut self, client: usize) {
        self.clients[client].connection = None;
        let delay = self.random.between(5 * MILLISECOND, 200 * MILLISECOND);
        self.schedule.after(delay, Event::Connect { client });
    }

    fn crash(&mut self) {
        if self.mood == Mood::Stormy && self.server.is_some() {
            self.stop();
            let delay = self.random.between(10 * MILLISECOND, 300 * MILLISECOND);
            self.schedule.after(delay, Event::Restart);
        }
    }

    /// The server is gone, and all connections with it.
    fn stop(&mut self) {
        self.server = None;
        self.note(format_args!("the server crashes"));
        self.model.counts.crashes += 1;
        self.model.may_go_back();
        self.disk.crash(self.plan.plant, &mut self.random);
        self.committing = Committing::GoesOn;
        self.generation += 1;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.cut(link);
        }
    }

    fn revive(&mut self) {
        let now = self.now();
        let (queue, place) =
            *self.random.pick(&[("/queue/DLQ.a", "/queue/a"), ("/queue/DLQ.b", "/queue/b")]);
        if let Some(server) = &mut self.server {
            for message in server.revive(now, queue) {
                self.model.revive(place, message);
            }
        }
    }

    /// The application has something to send. Until the next time there is an operation to do it in the middle of.
    fn publish(&mut self) {
        let now = self.now();
        let Some(server) = &mut self.server else { return };
        server.publish_rest(now);
        if self.mood == Mood::Calm {
            return;
        }
        let place = *self.random.pick(&["/queue/a", "/queue/b", MOVED_FROM, MOVED_TO, MOVED_TO]);
        for _ in 0..self.random.between(1, 4) {
            let priority = self.random.percent(50).then(|| *self.random.pick(&[0, 9]));
            let manner = Manner { persistence: Persistence::Persistent, priority };
            // Nobody else has such a key.
            let message = self.model.send(1 << 62 | self.generation, place, manner, None);
            let destination = Destination::parse(place).expect("it is one");
            server.outside.publications.push(Publication { message, destination, priority });
        }
    }

    fn restart(&mut self) -> Verdict {
        let now = self.now();
        let random = Random::new(self.random.next());
        let (plant, trace) = (self.plan.plant, self.trace.clone());
        self.server = Some(Server::start(now, &mut self.disk, plant, random, trace)?);
        self.note(format_args!("the server starts"));
        Ok(())
    }

    fn commit_ends(&mut self) {
        let now = self.now();
        let Some(ended) = self.disk.end(self.plan.plant, &mut self.random) else { return };
        let Some(server) = &mut self.server else { return };
        match ended {
            Ok(number) => server.handle_stored(now, number),
            Err((number, batch)) => {
                server.handle_failure(now);
                server.outside.collector.give_back(batch);
                self.committing = Committing::Waits;
                self.model.counts.failures += 1;
                self.note(format_args!("the commit of batch {} fails", number.0));
                let generation = self.generation;
                self.schedule.after(50 * MILLISECOND, Event::CommitAgain { generation });
            }
        }
    }

    /// Does what there is to do for the server after every event.
    fn pump(&mut self) -> Verdict {
        let now = self.now();
        let generation = self.generation;
        let Some(server) = &mut self.server else { return Ok(()) };
        server.use_room(now);
        self.hear_from_server()?;
        let Some(server) = &mut self.server else { return Ok(()) };
        self.disk.forget(std::mem::take(&mut server.outside.forgotten));
        for _ in 0..std::mem::take(&mut server.opened) {
            let delay = self.random.below(10 * MILLISECOND);
            self.schedule.after(delay, Event::OperationEnds { generation });
        }
        if self.disk.is_idle()
            && self.committing == Committing::GoesOn
            && let Some((number, batch)) = server.next_batch()
        {
            let slowest = *self.random.pick(&[1000, 1000, 20_000]);
            let delay = if batch.is_empty() { 0 } else { self.random.between(200, slowest) };
            self.disk.begin(number, batch);
            self.schedule.after(delay, Event::CommitEnds { generation });
        }
        if let Some(at) = server.outside.wake_at.take() {
            let time = self.schedule.time_of(at);
            self.schedule.at(time, Event::Alarm { generation });
        }
        for key in server.sessions.keys().copied().collect::<Vec<_>>() {
            self.pump_session(now, key);
        }
        self.hear_from_server()
    }

    /// Tells the model what the server has done, before anything of it arrives anywhere.
    fn hear_from_server(&mut self) -> Verdict {
        let Some(server) = &mut self.server else { return Ok(()) };
        for (key, target) in std::mem::take(&mut server.taken) {
            self.model.taken(key, &target);
        }
        for _ in 0..std::mem::take(&mut server.left) {
            self.model.may_go_back();
        }
        self.model.counts.meanwhile += std::mem::take(&mut server.outside.meanwhile);
        self.model.counts.superseded += std::mem::take(&mut server.outside.superseded);
        for message in std::mem::take(&mut server.outside.kept) {
            self.model.sent(message, &self.disk)?;
        }
        Ok(())
    }

    fn pump_session(&mut self, now: Now, key: u64) {
        loop {
            let Some(server) = &mut self.server else { return };
            let Some(session) = server.sessions.get_mut(&key) else { return };
            if let Some(packet) = session.poll_packet() {
                self.send_down(key, packet);
                continue;
            }
            if session.can_release() {
                server.release(now, key);
                continue;
            }
            if let Some(waiting) = session.waiting.as_mut().filter(|it| it.ends_at.is_none()) {
                self.model.counts.waits += 1;
                waiting.ends_at = Some(now.instant + Duration::from_micros(PATIENCE));
                let generation = self.generation;
                self.schedule.after(PATIENCE, Event::GiveUp { generation, link: key });
            }
            if session.is_paused && !session.is_backlogged() {
                session.is_paused = false;
                server.resume(now, key);
                continue;
            }
            if session.life == Life::Ending && session.is_flushed() {
                self.model.may_go_back();
                server.disconnect(now, key);
                let last = self.links.get(&key).map_or(0, |link| link.last_down);
                self.schedule.at(last + MILLISECOND, Event::ClientNotices { link: key });
            }
            return;
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.schedule.instant(), timestamp: self.schedule.timestamp() }
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.add(what);
    }
}
