//! When the hosts are asked: reading their logs and files costs more than a look at their nodes.

use super::invariants::Converges;

/// Nodes have written what was still to be heard in the first look when the hosts are asked for the second
/// time; more often would only read their logs again.
const MAX_HOST_LOOKS: u32 = 2;

/// How often the hosts were asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HostLooks(u32);

impl HostLooks {
    /// Counts one more.
    pub(super) fn count(&mut self) {
        self.0 += 1;
    }

    /// The hosts are asked in the first look in which all nodes answer, and once more after all else has
    /// converged, where what is on their disks did not. `open` has what did not hold before.
    pub(super) fn are_due(self, all_up: bool, open: &[Converges], last: bool) -> bool {
        match self.0 {
            0 => last || all_up,
            _ => self.may_help(open) && (last || !open.contains(&Converges::AtNodes)),
        }
    }

    /// Whether asking once more may make something hold.
    pub(super) fn may_help(self, open: &[Converges]) -> bool {
        self.0 < MAX_HOST_LOOKS && open.contains(&Converges::OnHosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Converges::{AtNodes, Never, OnHosts};

    #[test]
    fn hosts_are_asked_once_while_nodes_converge() {
        assert!(HostLooks(0).are_due(true, &[], false));
        for open in [&[AtNodes][..], &[AtNodes, OnHosts], &[Never]] {
            assert!(!HostLooks(1).are_due(true, open, false), "{open:?}");
        }
        assert!(!HostLooks(1).are_due(true, &[AtNodes], true), "nothing on the hosts is open");
    }

    #[test]
    fn what_disks_lacked_is_asked_for_once_more_after_all_else() {
        assert!(HostLooks(1).are_due(true, &[OnHosts], false));
        assert!(HostLooks(1).are_due(true, &[AtNodes, OnHosts], true));
        assert!(!HostLooks(2).are_due(true, &[OnHosts], true) && !HostLooks(2).may_help(&[OnHosts]));
    }

    #[test]
    fn hosts_are_asked_when_all_nodes_answer_or_none_more_will() {
        assert!(!HostLooks(0).are_due(false, &[], false));
        assert!(HostLooks(0).are_due(false, &[], true));
    }
}
