use std::collections::VecDeque;
use std::fmt;

/// How many of the last events are kept.
const KEPT: usize = 60;

/// What has happened last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
}

impl Trace {
    pub(crate) fn add(&mut self, now: u64, what: fmt::Arguments<'_>) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>6}.{:03} ms  {what}", now / 1000, now % 1000));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
