use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use tidings_broker::Change;

use super::*;
use crate::store::conformance::{self, batch, sent};

/// A directory that is removed with it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let mut octets = [0; 8];
        getrandom::fill(&mut octets).unwrap();
        let name = format!("tidings-store-{:x}", u64::from_ne_bytes(octets));
        Self(std::env::temp_dir().join(name))
    }

    fn store(&self) -> RedbStore {
        RedbStore::new(&self.0)
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn message() -> Batch {
    batch(sent("/queue/a", &["0"]))
}

fn fault(store: &mut RedbStore) -> StoreFault {
    store.commit(&message()).unwrap_err().fault()
}

#[test]
fn it_is_a_store() {
    let directory = Directory::new();
    conformance::check(|| directory.store());
}

#[test]
fn nothing_is_created_before_there_is_something_to_store() {
    let directory = Directory::new();
    let mut store = directory.store();
    assert_eq!(store.recover().unwrap().messages(), 0);
    assert!(!directory.0.exists());
    store.commit(&message()).unwrap();
    assert!(store.path().exists());
}

#[test]
fn what_is_no_directory_is_refused_at_once_and_left_alone() {
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    let file = directory.0.join("file");
    fs::write(&file, b"precious").unwrap();
    for place in [file.clone(), file.join("beneath"), file.join("far/beneath")] {
        let mut store = RedbStore::new(&place);
        let error = store.recover().unwrap_err();
        assert_eq!(error.fault(), StoreFault::NoDirectory, "{error:?}");
        assert!(error.to_string().contains("file is no directory: move away"), "{error}");
        assert_eq!(fault(&mut store), StoreFault::NoDirectory);
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_file_whose_making_was_interrupted_is_made_anew() {
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    fs::write(directory.0.join(UNFINISHED), b"half of it").unwrap();
    let mut store = directory.store();
    assert_eq!(store.recover().unwrap().messages(), 0);
    store.commit(&message()).unwrap();
    drop(store);
    assert_eq!(directory.store().recover().unwrap().messages(), 1);
    assert!(!directory.0.join(UNFINISHED).exists());
}

#[test]
fn a_store_that_is_in_use_is_refused() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.commit(&message()).unwrap();
    let error = directory.store().recover().unwrap_err();
    assert_eq!(error.fault(), StoreFault::Locked, "{error:?}");
    assert!(error.to_string().contains("queues.redb is in use by another process"), "{error}");
}

#[test]
fn of_two_that_start_in_an_empty_directory_the_second_is_refused() {
    let directory = Directory::new();
    fs::create_dir_all(&directory.0).unwrap();
    let mut first = directory.store();
    first.recover().unwrap();
    assert_eq!(directory.store().recover().unwrap_err().fault(), StoreFault::Locked);
    first.commit(&message()).unwrap();
    drop(first);
    assert_eq!(directory.store().recover().unwrap().messages(), 1);
}

#[test]
fn of_two_that_start_without_a_directory_only_one_ever_writes() {
    let directory = Directory::new();
    let (mut first, mut second) = (directory.store(), directory.store());
    first.recover().unwrap();
    second.recover().unwrap();
    first.commit(&batch(sent("/queue/a", &["first"]))).unwrap();
    assert_eq!(fault(&mut second), StoreFault::Locked);
    drop(first);
    let error = second.commit(&message()).unwrap_err();
    assert_eq!(error.fault(), StoreFault::Changed, "{error:?}");
    assert!(error.to_string().contains("start this server again"), "{error}");
    drop(second);
    let found = directory.store().recover().unwrap();
    assert_eq!(found.queues[0].messages[0].1.body, "first");
}

#[test]
fn a_file_that_another_has_used_meanwhile_is_left_alone() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.commit(&message()).unwrap();
    // As after a failed commit, and a lock that a network has lost.
    (store.database, store.lock) = (None, None);
    let mut other = directory.store();
    other.recover().unwrap();
    other.commit(&batch(sent("/queue/a", &["other"]))).unwrap();
    drop(other);
    assert_eq!(fault(&mut store), StoreFault::Changed);
    drop(store);
    let found = directory.store().recover().unwrap();
    assert_eq!(found.queues[0].messages[0].1.body, "other");
}

#[test]
fn a_file_that_is_gone_is_not_created_anew() {
    let directory = Directory::new();
    let mut store = directory.store();
    store.commit(&message()).unwrap();
    store.database = None;
    let elsewhere = directory.0.join("elsewhere");
    fs::rename(store.path(), &elsewhere).unwrap();
    let error = store.commit(&message()).unwrap_err();
    assert_eq!(error.fault(), StoreFault::Missing, "{error:?}");
    assert!(error.to_string().contains("queues.redb was there and is gone"), "{error}");
    assert!(!store.path().exists());
    fs::rename(&elsewhere, store.path()).unwrap();
    store.commit(&message()).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    for garbage in [&[7; 10_000][..], b"", b"\n"] {
        let directory = Directory::new();
        fs::create_dir_all(&directory.0).unwrap();
        fs::write(directory.file(), garbage).unwrap();
        let error = directory.store().recover().unwrap_err();
        assert_eq!(error.fault(), StoreFault::Damaged, "{error:?}");
        assert_eq!(fs::read(directory.file()).unwrap(), garbage);
    }
}

#[test]
fn messages_of_no_queue_are_damage() {
    let directory = Directory::new();
    let mut store = directory.store();
    let changes = sent("/queue/a", &["0", "1"]);
    let puts = changes.into_iter().filter(|change| matches!(change, Change::Put { .. }));
    store.commit(&batch(puts)).unwrap();
    drop(store);
    let error = directory.store().recover().unwrap_err();
    assert_eq!(error.fault(), StoreFault::Damaged, "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "2 messages are of no queue");
}

#[test]
fn a_file_that_was_changed_anywhere_is_told_or_read_as_it_was() {
    let directory = Directory::new();
    let bodies = ["0", "1", "2"];
    let mut store = directory.store();
    store.commit(&batch(sent("/queue/a", &bodies))).unwrap();
    drop(store);
    let whole = fs::read(directory.file()).unwrap();
    let mut told = 0;
    // Pages are of 4096 octets, and written from their beginning.
    let used = whole.chunks(4096).enumerate().filter(|(_, page)| page.iter().any(|it| *it != 0));
    for (page, _) in used {
        for at in [0, 40, 300] {
            let mut file = fs::OpenOptions::new().write(true).truncate(true).open(directory.file());
            let mut changed = whole.clone();
            changed[page * 4096 + at] ^= 0x55;
            file.as_mut().unwrap().write_all(&changed).unwrap();
            match directory.store().recover() {
                Ok(found) => {
                    let messages = found.queues[0].messages.iter();
                    assert!(
                        messages
                            .map(|(_, message)| &message.body[..])
                            .eq(bodies.map(str::as_bytes))
                    );
                }
                Err(error) => {
                    assert_eq!(error.fault(), StoreFault::Damaged, "{page} {at}: {error:?}");
                    told += 1;
                }
            }
        }
    }
    assert!(told > 0);
}

#[test]
fn a_directory_that_cannot_be_is_made_once_it_can() {
    let directory = Directory::new();
    fs::write(&directory.0, b"a file").unwrap();
    let mut store = RedbStore::new(directory.0.join("data"));
    assert_eq!(fault(&mut store), StoreFault::NoDirectory);
    fs::remove_file(&directory.0).unwrap();
    store.commit(&message()).unwrap();
}

#[test]
fn an_empty_path_is_the_current_directory() {
    assert_eq!(RedbStore::new("").path(), Path::new("./queues.redb"));
    assert_eq!(parent(Path::new("data")), Some(Path::new(".")));
}

#[cfg(unix)]
#[test]
fn what_is_created_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let directory = Directory::new();
    let mut store = RedbStore::new(directory.0.join("data"));
    store.commit(&message()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = directory.0.join("data");
    assert_eq!([&directory.0, &data].map(|it| mode(it)), [0o700; 2]);
    assert_eq!([FILE, LOCK].map(|name| mode(&data.join(name))), [0o600; 2]);
}

#[test]
fn what_a_system_says_of_room_and_rights_is_understood() {
    let fault = |kind: io::ErrorKind| StoreError::from(io::Error::from(kind)).fault();
    for kind in
        [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge]
    {
        assert_eq!(fault(kind), StoreFault::Full, "{kind}");
    }
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        assert_eq!(fault(kind), StoreFault::Denied, "{kind}");
    }
}
