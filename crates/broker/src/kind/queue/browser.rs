use std::sync::Arc;

use super::backlog::{Backlog, Place};
use crate::operation::Operation;
use crate::record::Position;
use crate::sink::{Delivered, Delivery};
use crate::subscription::Subscription;

/// A subscription that looks at the messages of a queue and takes none.
#[derive(Debug)]
pub(super) struct Browser<S> {
    pub(super) subscription: Arc<Subscription<S>>,
    /// What it has not seen yet starts here.
    cursor: Place,
    /// What came later is not shown.
    end: Position,
    progress: Progress,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Looking,
    Done,
}

impl<S> Browser<S> {
    /// A browser that has still to see everything that is there now.
    pub(super) fn new(subscription: Arc<Subscription<S>>, backlog: &Backlog) -> Self {
        let (cursor, end) = (Place::default(), backlog.next_position());
        Self { subscription, cursor, end, progress: Progress::Looking }
    }

    /// Shows messages until there is none left, or its session takes no more.
    pub(super) fn go_on(&mut self, backlog: &Backlog, operation: &mut Operation<'_, S>) {
        while self.progress == Progress::Looking && !self.subscription.flow.is_paused() {
            let Some(queued) = backlog.first_from(self.cursor) else {
                self.progress = Progress::Done;
                return operation.sink.browsed(&self.subscription);
            };
            let is_wanted =
                queued.place.position < self.end && self.subscription.wants(&queued.message);
            if is_wanted {
                let delivered = operation.sink.deliver(Delivery {
                    message: &queued.message,
                    subscription: &self.subscription,
                    ack: None,
                    delivery_count: queued.deliveries.saturating_add(1),
                });
                if delivered != Delivered::Ready {
                    self.subscription.flow.pause();
                }
                if delivered == Delivered::Refused {
                    return;
                }
            }
            self.cursor = queued.place.next();
        }
    }
}
