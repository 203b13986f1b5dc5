use std::ops::AddAssign;

/// What a run has seen, so that nobody takes an idle one for a good one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages sent.
    pub sent: u64,
    /// Receipts for them.
    pub receipts: u64,
    /// Deliveries of any message to any client.
    pub deliveries: u64,
    /// Of these, those that were marked as redelivered.
    pub redeliveries: u64,
    /// Transactions that were committed with a receipt.
    pub commits: u64,
    /// Crashes of the server.
    pub crashes: u64,
    /// Connections that were cut.
    pub cuts: u64,
    /// Commits that failed.
    pub failures: u64,
    /// Dead letters that were sent back to where they came from.
    pub revived: u64,
    /// Messages that were left at the end.
    pub drained: u64,
    /// Subscriptions that clients have ended, to subscribe again.
    pub unsubscribed: u64,
    /// Sessions that clients have ended.
    pub disconnected: u64,
    /// Messages that were refused in a transaction.
    pub refused_in_transactions: u64,
    /// What was acknowledged once more after its transaction was aborted.
    pub used_again: u64,
    /// Frames that have waited for room in a queue.
    pub waits: u64,
    /// Messages that the application has sent in the middle of other operations.
    pub meanwhile: u64,
    /// Messages that an operation has removed, and one in a later batch had put.
    pub superseded: u64,
    /// Sessions that the server has ended with ERROR, though the disk was not full.
    pub errors: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self {
            sent,
            receipts,
            deliveries,
            redeliveries,
            commits,
            crashes,
            cuts,
            failures,
            revived,
            drained,
            unsubscribed,
            disconnected,
            refused_in_transactions,
            used_again,
            waits,
            meanwhile,
            superseded,
            errors,
        } = other;
        self.sent += sent;
        self.receipts += receipts;
        self.deliveries += deliveries;
        self.redeliveries += redeliveries;
        self.commits += commits;
        self.crashes += crashes;
        self.cuts += cuts;
        self.failures += failures;
        self.revived += revived;
        self.drained += drained;
        self.unsubscribed += unsubscribed;
        self.disconnected += disconnected;
        self.refused_in_transactions += refused_in_transactions;
        self.used_again += used_again;
        self.waits += waits;
        self.meanwhile += meanwhile;
        self.superseded += superseded;
        self.errors += errors;
    }
}
