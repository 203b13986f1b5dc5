//! A file system that forgets in a power cut what was not synchronised, or some of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, DatabaseError, StorageBackend};

use super::files::{Files, Lock, builder, parent};

/// The disk of a machine.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// The names there are, and those that outlive a power cut.
    names: BTreeMap<PathBuf, Node>,
    synced_names: BTreeMap<PathBuf, Node>,
    files: Vec<Content>,
    locked: BTreeSet<PathBuf>,
    /// What fails, and how.
    fault: Option<(Call, io::ErrorKind)>,
    /// How the disk was before each call that changed it, and how many commits had returned.
    moments: Vec<(Self, usize)>,
    commits: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

#[derive(Clone, Debug, Default)]
struct Content {
    octets: Arc<Vec<u8>>,
    synced: Arc<Vec<u8>>,
    /// What was done since it was synchronised.
    pending: Vec<Arc<Pending>>,
}

#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Look,
    CreateDirectory,
    SyncDirectory,
    Lock,
    Create,
    Rename,
    Write,
    /// What was written may be on disk or not.
    Sync,
}

/// How many octets a disk writes as a whole or not at all, unless it is torn in one of them.
const SECTOR_OCTETS: usize = 512;

/// What is left of what was not synchronised.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    /// These or those sectors of each write, as a seed says.
    Some(u64),
    /// As `Some`, and one in so many of those that are left is cut off at some octet.
    Torn(u64),
}

impl Left {
    fn keeps(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// How many octets of so many are left, which a sector has at most.
    fn of_sector(&mut self, octets: usize) -> usize {
        let is_torn = matches!(self, Self::Torn(_)) && self.next().is_multiple_of(4);
        match self.keeps() {
            false => 0,
            true if is_torn => usize::try_from(self.next()).unwrap() % octets,
            true => octets,
        }
    }

    fn next(&mut self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Some(state) | Self::Torn(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state >> 40
            }
        }
    }
}

impl Pending {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => octets[*at..*at + data.len()].copy_from_slice(data),
            Self::Length(length) => octets.resize(*length, 0),
        }
    }

    /// Does what is left of it after a power cut.
    fn apply_rest(&self, left: &mut Left, octets: &mut Vec<u8>) {
        let Self::Write(at, data) = self else {
            // A length is known to the file system, which keeps an order.
            return self.apply(octets);
        };
        let (mut at, mut data) = (*at, &data[..]);
        while !data.is_empty() {
            let len = data.len().min(SECTOR_OCTETS - at % SECTOR_OCTETS);
            let (sector, others) = data.split_at(len);
            let kept = left.of_sector(len);
            octets[at..at + kept].copy_from_slice(&sector[..kept]);
            (at, data) = (at + len, others);
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        // A test that fails drops its store, which must not panic once more.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if that is to fail.
    fn call(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if let Some((_, kind)) = state.fault.filter(|(failing, _)| *failing == call) {
            return Err(kind.into());
        }
        if call != Call::Look {
            let mut moments = std::mem::take(&mut state.moments);
            moments.push((state.clone(), state.commits));
            state.moments = moments;
        }
        Ok(state)
    }

    fn fail(&self, call: Call, kind: io::ErrorKind) {
        self.state().fault = Some((call, kind));
    }

    fn heal(&self) {
        self.state().fault = None;
    }
}

impl State {
    /// What is found when the machine starts again.
    fn cut_power(&self, mut left: Left) -> Disk {
        let mut names = BTreeMap::new();
        let directories =
            self.names.keys().chain(self.synced_names.keys()).filter_map(|it| parent(it));
        for directory in directories.collect::<BTreeSet<_>>() {
            let survivors = if left.keeps() { &self.names } else { &self.synced_names };
            let inside = survivors.iter().filter(|(path, _)| parent(path) == Some(directory));
            names.extend(inside.map(|(path, node)| (path.clone(), *node)));
        }
        let files = self.files.iter().map(|content| {
            let mut octets = Vec::clone(&content.synced);
            for pending in &content.pending {
                pending.apply_rest(&mut left, &mut octets);
            }
            let octets = Arc::new(octets);
            Content { synced: Arc::clone(&octets), octets, pending: Vec::new() }
        });
        let files = files.collect();
        let state = Self { synced_names: names.clone(), names, files, ..Self::default() };
        Disk(Arc::new(Mutex::new(state)))
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let is_root = parent(path).is_none();
        if is_root {
            return Some(Node::Directory);
        }
        self.node(parent(path)?).filter(|it| *it == Node::Directory)?;
        self.names.get(path).copied()
    }
}

impl Files for Disk {
    fn has_directory(&self, path: &Path) -> io::Result<bool> {
        Ok(self.call(Call::Look)?.node(path) == Some(Node::Directory))
    }

    fn has(&self, path: &Path) -> io::Result<bool> {
        Ok(self.call(Call::Look)?.node(path).is_some())
    }

    fn may_create_in(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::CreateDirectory)?.names.insert(path.to_owned(), Node::Directory);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Call::SyncDirectory)?;
        let State { names, synced_names, .. } = &mut *state;
        synced_names.retain(|name, _| parent(name) != Some(path));
        let inside = names.iter().filter(|(name, _)| parent(name) == Some(path));
        synced_names.extend(inside.map(|(name, node)| (name.clone(), *node)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Lock>> {
        struct Held(Disk, PathBuf);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.state().locked.remove(&self.1);
            }
        }
        let is_new = self.call(Call::Lock)?.locked.insert(path.to_owned());
        Ok(is_new.then(|| Box::new(Held(self.clone(), path.to_owned())) as Lock))
    }

    fn create(&self, path: &Path) -> Result<Database, DatabaseError> {
        let file = {
            let mut state = self.call(Call::Create)?;
            state.files.push(Content::default());
            let file = state.files.len() - 1;
            state.names.insert(path.to_owned(), Node::File(file));
            file
        };
        builder().create_with_backend(Open { disk: self.clone(), file })
    }

    fn open(&self, path: &Path) -> Result<Database, DatabaseError> {
        let file = match self.call(Call::Look)?.node(path) {
            Some(Node::File(file)) => file,
            _ => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
        };
        if self.state().files[file].octets.is_empty() {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
        builder().create_with_backend(Open { disk: self.clone(), file })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call(Call::Rename)?;
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), node);
        Ok(())
    }
}

/// A file that is open.
#[derive(Debug)]
struct Open {
    disk: Disk,
    file: usize,
}

impl Open {
    fn change(&self, pending: Pending) -> io::Result<()> {
        let mut state = self.disk.call(Call::Write)?;
        let content = &mut state.files[self.file];
        pending.apply(Arc::make_mut(&mut content.octets));
        content.pending.push(Arc::new(pending));
        Ok(())
    }
}

impl StorageBackend for Open {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].octets.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        let state = self.disk.state();
        let found = state.files[self.file].octets.get(at..at + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Pending::Length(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.call(Call::Sync)?;
        let content = &mut state.files[self.file];
        content.synced = Arc::clone(&content.octets);
        content.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Pending::Write(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}

mod tests {
    use tidings_broker::{
        Batch, Change, Position, QueueDefinition, QueueId, Snapshot, StoredMessage, StoredQueue,
    };

    use super::*;
    use crate::store::conformance::{batch, sent, with_id};
    use crate::store::redb::RedbStore;
    use crate::store::{Store, StoreFault};

    const DIRECTORY: &str = "/var/lib/tidings";

    fn disk() -> Disk {
        let disk = Disk::default();
        let names = BTreeMap::from([(PathBuf::from("/var"), Node::Directory)]);
        (disk.state().names, disk.state().synced_names) = (names.clone(), names);
        disk
    }

    fn store(disk: &Disk) -> RedbStore {
        RedbStore::on(Box::new(disk.clone()), Path::new(DIRECTORY))
    }

    fn found(disk: &Disk) -> usize {
        store(disk).recover().unwrap().messages()
    }

    /// All that there is of a queue.
    type Content = (QueueId, QueueDefinition, Position, Vec<(Position, StoredMessage)>);

    fn content(queues: Vec<StoredQueue>) -> Vec<Content> {
        let content = |it: StoredQueue| (it.id, it.definition, it.marked_below, it.messages);
        queues.into_iter().map(content).collect()
    }

    /// Changes of all kinds, in batches that follow each other.
    fn batches() -> Vec<Batch> {
        let (one, two) = (QueueId(1), QueueId(2));
        let mark = |queue, below| Change::Mark { queue, below: Position(below) };
        let remove = |queue, position| Change::Remove { queue, position: Position(position) };
        // Larger than a sector, and than a page.
        let long = Box::leak("long".repeat(2500).into_boxed_str());
        let first = sent("/queue/a", &["0", long, "2", "3"]);
        let (begun, later) = first.split_at(3);
        let mut moved: Vec<_> = with_id(two, sent("/queue/b", &["3", long])).collect();
        moved.extend([remove(one, 2), mark(two, 7)]);
        let mut anew = vec![Change::Close { queue: one }];
        anew.extend(sent("/queue/c", &["new"]));
        [
            begun.to_vec(),
            later.to_vec(),
            vec![mark(one, 3)],
            vec![remove(one, 0), mark(one, 9)],
            moved,
            anew,
            vec![remove(two, 0), remove(two, 1)],
        ]
        .map(batch)
        .into()
    }

    #[test]
    fn no_power_cut_takes_what_a_commit_has_stored_or_leaves_half_of_one() {
        let disk = disk();
        let mut store = store(&disk);
        store.recover().unwrap();
        let mut snapshot = Snapshot::default();
        let mut expected = vec![content(snapshot.queues().unwrap())];
        for batch in batches() {
            store.commit(&batch).unwrap();
            disk.state().commits += 1;
            snapshot.apply(&batch);
            expected.push(content(snapshot.queues().unwrap()));
        }
        let mut moments = std::mem::take(&mut disk.state().moments);
        moments.push((disk.state().clone(), expected.len() - 1));
        for (at, (state, commits)) in moments.iter().enumerate() {
            let seed = 7 + 2 * at as u64;
            for left in [Left::Nothing, Left::Some(seed), Left::Torn(seed << 40)] {
                let cut = state.cut_power(left);
                let found = content(self::store(&cut).recover().unwrap().queues);
                let may_be = &expected[*commits..expected.len().min(commits + 2)];
                assert!(may_be.contains(&found), "{at} {left:?}: {found:?}, after {commits}");
            }
        }
    }

    #[test]
    fn a_commit_whose_sync_fails_leaves_what_was_acknowledged() {
        let disk = disk();
        let mut store = store(&disk);
        let mut snapshot = Snapshot::default();
        for (at, batch) in batches().into_iter().enumerate() {
            let before = content(snapshot.queues().unwrap());
            snapshot.apply(&batch);
            let after = content(snapshot.queues().unwrap());
            disk.fail(Call::Sync, io::ErrorKind::Other);
            assert_eq!(store.commit(&batch).unwrap_err().fault(), StoreFault::Io, "{at}");
            let seed = 7 + at as u64;
            for left in [Left::Nothing, Left::Some(seed), Left::Torn(seed << 40)] {
                let cut = disk.state().cut_power(left);
                let found = content(self::store(&cut).recover().unwrap().queues);
                assert!(found == before || found == after, "{at} {left:?}: {found:?}");
            }
            disk.heal();
            store.commit(&batch).unwrap();
            let cut = disk.state().cut_power(Left::Nothing);
            assert_eq!(content(self::store(&cut).recover().unwrap().queues), after, "{at}");
        }
    }

    #[test]
    fn a_directory_that_could_not_be_synchronised_is_before_the_next_receipt() {
        let disk = disk();
        let mut store = store(&disk);
        let changes = batch(sent("/queue/a", &["0"]));
        disk.fail(Call::SyncDirectory, io::ErrorKind::Other);
        for _ in 0..3 {
            assert_eq!(store.commit(&changes).unwrap_err().fault(), StoreFault::Io);
        }
        disk.heal();
        store.commit(&changes).unwrap();
        assert_eq!(found(&disk.state().cut_power(Left::Nothing)), 1);
    }

    #[test]
    fn a_file_that_was_found_may_have_a_name_that_was_not_synchronised() {
        let disk = disk();
        let changes = batch(sent("/queue/a", &["0"]));
        let mut stopped = store(&disk);
        stopped.commit(&changes).unwrap();
        drop(stopped);
        disk.state().synced_names.retain(|name, _| !name.ends_with("queues.redb"));
        let mut store = store(&disk);
        store.recover().unwrap();
        store.commit(&changes).unwrap();
        assert_eq!(found(&disk.state().cut_power(Left::Nothing)), 1);
    }

    #[test]
    fn a_file_that_cannot_be_looked_for_is_not_taken_for_none() {
        let disk = disk();
        store(&disk).commit(&batch(sent("/queue/a", &["0"]))).unwrap();
        disk.fail(Call::Look, io::ErrorKind::PermissionDenied);
        assert_eq!(store(&disk).recover().unwrap_err().fault(), StoreFault::Denied);
    }

    #[test]
    fn whatever_fails_the_same_commit_succeeds_once_it_does_not() {
        for call in [
            Call::Look,
            Call::CreateDirectory,
            Call::SyncDirectory,
            Call::Lock,
            Call::Create,
            Call::Rename,
            Call::Write,
            Call::Sync,
        ] {
            for (kind, fault) in [
                (io::ErrorKind::StorageFull, StoreFault::Full),
                (io::ErrorKind::ReadOnlyFilesystem, StoreFault::Denied),
            ] {
                let disk = disk();
                let mut store = store(&disk);
                store.recover().unwrap();
                let changes = sent("/queue/a", &["0", "1"]);
                disk.fail(call, kind);
                let refused = store.commit(&batch(changes[..2].to_vec())).unwrap_err();
                assert_eq!(refused.fault(), fault, "{call:?}");
                disk.heal();
                store.commit(&batch(changes[..2].to_vec())).unwrap();
                for call in [Call::Write, Call::Sync] {
                    disk.fail(call, kind);
                    let refused = store.commit(&batch(changes.clone())).unwrap_err();
                    assert_eq!(refused.fault(), fault, "{call:?}");
                    disk.heal();
                }
                store.commit(&batch(changes)).unwrap();
                assert_eq!(found(&disk.state().cut_power(Left::Nothing)), 2, "{call:?}");
            }
        }
    }
}
