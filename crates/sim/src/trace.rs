use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// How many of the last events are kept, unless a message is followed.
const KEPT: usize = 60;

/// What has happened, shared by all to whom it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Rc<RefCell<Story>>);

#[derive(Debug, Default)]
struct Story {
    /// Microseconds since the beginning.
    now: u64,
    /// The message of which everything is kept.
    followed: Option<u64>,
    lines: VecDeque<String>,
}

impl Trace {
    /// Keeps all that happens, also to this message.
    pub(crate) fn following(message: u64) -> Self {
        Self(Rc::new(RefCell::new(Story { followed: Some(message), ..Story::default() })))
    }

    /// It is so late now, in microseconds since the beginning.
    pub(crate) fn set_time(&self, now: u64) {
        self.0.borrow_mut().now = now;
    }

    pub(crate) fn add(&self, what: fmt::Arguments<'_>) {
        self.0.borrow_mut().add(what);
    }

    /// Something happens to a message.
    pub(crate) fn message(&self, message: u64, what: fmt::Arguments<'_>) {
        let mut story = self.0.borrow_mut();
        if story.followed == Some(message) {
            story.add(format_args!("  message {message} {what}"));
        }
    }
}

impl Story {
    fn add(&mut self, what: fmt::Arguments<'_>) {
        if self.followed.is_none() && self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        let now = self.now;
        self.lines.push_back(format!("{:>6}.{:03} ms  {what}", now / 1000, now % 1000));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.borrow().lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
