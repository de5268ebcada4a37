//! Whether the proof writes.

/// Whether the proof writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProofMode {
    /// One key a shard is written, followed and removed.
    #[default]
    WriteProbes,
    /// Nothing is written, and what only a write can show stays unproven.
    ReadOnly,
}
