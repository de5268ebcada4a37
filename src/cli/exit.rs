//! How a run ended, as a type.

use std::process::ExitCode;

use miette::Report;

use crate::{inventory, run};

/// The exit codes; the meaning of each is part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The run failed, an invariant does not hold, or something is broken that no run repairs.
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

    /// The run failed.
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
        Self::failed(error.into())
    }
}

impl From<crate::plan::RenderError> for Failure {
    fn from(error: crate::plan::RenderError) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::plan::Error> for Failure {
    fn from(error: crate::plan::Error) -> Self {
        Self::failed(error.into())
    }
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        let exit =
            if matches!(error, run::Error::Interrupted { .. }) { Exit::Interrupted } else { Exit::Failed };
        Self { report: error.into(), exit }
    }
}

impl From<run::RefusedConfig> for Failure {
    fn from(error: run::RefusedConfig) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::host::Error> for Failure {
    fn from(error: crate::host::Error) -> Self {
        Self::failed(error.into())
    }
}

impl From<crate::artifact::Error> for Failure {
    fn from(error: crate::artifact::Error) -> Self {
        Self::failed(error.into())
    }
}

impl From<crate::secret::Error> for Failure {
    fn from(error: crate::secret::Error) -> Self {
        Self::failed(error.into())
    }
}

impl From<inventory::UnknownHost> for Failure {
    fn from(error: inventory::UnknownHost) -> Self {
        Self::usage(error.into())
    }
}

impl From<crate::lab::Error> for Failure {
    fn from(error: crate::lab::Error) -> Self {
        use crate::lab::Error::{BadName, Differs, Narrow, NoGuest, NoLab, Subnet};
        let usage = matches!(
            error,
            BadName { .. } | Differs { .. } | Narrow { .. } | NoGuest { .. } | NoLab { .. } | Subnet { .. }
        );
        let exit = if usage { Exit::Usage } else { Exit::Failed };
        Self { report: error.into(), exit }
    }
}

impl From<crate::cache_dir::NoCacheDir> for Failure {
    fn from(error: crate::cache_dir::NoCacheDir) -> Self {
        Self::failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_interface() {
        let numbers = [Exit::Done, Exit::Failed, Exit::Changes, Exit::Usage, Exit::Interrupted];
        assert_eq!(numbers.map(|exit| exit as u8), [0, 1, 2, 64, 130]);
    }

    #[test]
    fn an_interrupted_run_is_not_a_failed_one() {
        let interrupted = run::Error::Interrupted { after: "build".to_owned() };
        assert_eq!(Failure::from(interrupted).exit, Exit::Interrupted);
        assert_eq!(Failure::from(run::Error::Moved { host: "a".into() }).exit, Exit::Failed);
    }

    #[test]
    fn a_host_without_a_session_is_a_failure_that_asks_for_a_report() {
        let error = run::Error::from(crate::inspect::NoSession { host: "a".into() });
        let failure = Failure::from(error);
        assert_eq!(failure.exit, Exit::Failed);
        let help = failure.report.help().unwrap().to_string();
        assert!(help.starts_with("please report this"), "{help}");
    }

    #[test]
    fn what_the_user_wrote_is_usage_and_what_a_host_says_is_failure() {
        use crate::{inspect, plan, secret};
        let secret = || secret::Error::Unset("ORDERS_PASSWORD".to_owned());
        assert_eq!(Failure::from(inspect::Error::from(secret())).exit, Exit::Failed);
        let nothing_built = plan::Error::NothingBuilt { host: "a".into(), what: "redis".to_owned() };
        assert_eq!(Failure::from(nothing_built).exit, Exit::Failed);
        let fleet = plan::testing::fleet(&["a"]);
        let tag = plan::testing::playbook(&fleet, "").refuse_unknown(&["bild".to_owned()]).unwrap_err();
        assert_eq!(Failure::from(tag).exit, Exit::Usage);
    }
}
