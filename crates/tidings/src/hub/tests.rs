use std::panic::{AssertUnwindSafe, catch_unwind};

use tidings_stomp::Headers;

use super::*;
use crate::store::MemoryStore;

#[test]
fn an_operation_that_panics_holds_up_nothing_that_is_to_be_stored() {
    let store = MemoryStore::new();
    let opened = Hub::with_store(HubOptions::default(), Box::new(store.clone()));
    let (hub, _) = opened.unwrap();
    let headers = Headers::from([("persistent", "true")]);
    let panics = || {
        hub.administer(|broker, sink| -> () {
            let queue = Destination::parse("/queue/a").unwrap();
            broker.send(clock::now(), queue, headers.clone(), Bytes::new(), sink).unwrap();
            panic!("as it does");
        });
    };
    catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    let queue = Destination::parse("/queue/b").unwrap();
    hub.try_publish(clock::now(), None, queue, headers.clone(), &mut Bytes::new()).unwrap();
    hub.end();
    assert_eq!(store.clone().recover().unwrap().messages(), 2);
}
