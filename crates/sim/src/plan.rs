/// What a run is like, besides its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For how many milliseconds of virtual time clients work and things go wrong. Default 1000.
    pub milliseconds: u64,
    /// A defect to plant, so that it can be seen to be found. Default none.
    pub plant: Plant,
}

impl Default for Plan {
    fn default() -> Self {
        Self { milliseconds: 1000, plant: Plant::Nothing }
    }
}

/// A defect on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    /// Everything is as it should be.
    #[default]
    Nothing,
    /// Receipts leave before what they are for is stored.
    EarlyReceipts,
    /// The store says that it has stored batches, some of which it has not.
    ForgottenCommits,
    /// A crash leaves part of a batch.
    TornCommits,
    /// The store does not hear which messages may have been delivered.
    LostMarks,
    /// A message that a session leaves behind is not in the queue any more.
    ForgottenUnsettled,
    /// Part of an operation is stored with one batch, and the rest with the next.
    SplitOperations,
    /// What an operation removes is gone from the store before its batch is stored.
    EarlyRemoves,
    /// Every delivery is marked as redelivered.
    AlwaysMarked,
    /// Queues do not hear that a client reads again.
    ForgottenResume,
    /// Whoever waits for room in a queue does not hear that there is some.
    ForgottenRoom,
}

impl Plant {
    /// All defects that there are.
    pub const DEFECTS: &'static [Self] = &[
        Self::EarlyReceipts,
        Self::ForgottenCommits,
        Self::TornCommits,
        Self::LostMarks,
        Self::ForgottenUnsettled,
        Self::SplitOperations,
        Self::EarlyRemoves,
        Self::AlwaysMarked,
        Self::ForgottenResume,
        Self::ForgottenRoom,
    ];
}
