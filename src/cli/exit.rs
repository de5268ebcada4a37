//! How a run ended, as a type.

use std::process::ExitCode;

use miette::Report;

use crate::{inventory, run};

/// The exit codes; the meaning of each is part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The run failed, or an invariant does not hold.
    Failed = 1,
    /// `plan` found changes.
    Changes = 2,
    /// Wrong arguments or inventory; nothing was touched.
    Usage = 64,
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error and the exit code it means.
pub(super) struct Failure {
    pub(super) report: Report,
    pub(super) exit: Exit,
}

impl Failure {
    /// The user's input is wrong.
    pub(super) fn usage(report: Report) -> Self {
        Self { report, exit: Exit::Usage }
    }

    /// The run went wrong.
    pub(super) fn failed(report: Report) -> Self {
        Self { report, exit: Exit::Failed }
    }
}

impl From<inventory::LoadError> for Failure {
    fn from(error: inventory::LoadError) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::playbook::UnknownTag> for Failure {
    fn from(error: crate::playbook::UnknownTag) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::inspect::Error> for Failure {
    fn from(error: crate::inspect::Error) -> Self {
        use crate::inspect::Error::Render;
        let exit = if matches!(error, Render(_)) { Exit::Usage } else { Exit::Failed };
        Self { report: error.into(), exit }
    }
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        let exit =
            if matches!(error, run::Error::Interrupted { .. }) { Exit::Interrupted } else { Exit::Failed };
        Self { report: error.into(), exit }
    }
}

impl From<crate::host::Error> for Failure {
    fn from(error: crate::host::Error) -> Self {
        Self { report: error.into(), exit: Exit::Failed }
    }
}

impl From<crate::cache_dir::NoCacheDir> for Failure {
    fn from(error: crate::cache_dir::NoCacheDir) -> Self {
        Self { report: error.into(), exit: Exit::Failed }
    }
}

impl From<crate::secret::Error> for Failure {
    fn from(error: crate::secret::Error) -> Self {
        Self { report: error.into(), exit: Exit::Failed }
    }
}

impl From<inventory::UnknownHost> for Failure {
    fn from(error: inventory::UnknownHost) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::lab::Error> for Failure {
    fn from(error: crate::lab::Error) -> Self {
        use crate::lab::Error::{Differs, Narrow, NoGuest, NoLab, Subnet};
        let usage =
            matches!(error, Differs { .. } | Narrow { .. } | NoGuest { .. } | NoLab { .. } | Subnet { .. });
        let exit = if usage { Exit::Usage } else { Exit::Failed };
        Self { report: error.into(), exit }
    }
}
