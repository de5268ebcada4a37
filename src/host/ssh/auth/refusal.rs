//! The errors of a login.

use russh::MethodSet;

use crate::host::connect_error::{ConnectError, Phase};

pub(super) fn failed(reason: impl Into<String>) -> ConnectError {
    ConnectError::new(Phase::Authentication, reason)
}

pub(super) fn lost(error: impl std::fmt::Display) -> ConnectError {
    failed(format!("{error}"))
}

/// What was offered, and what the server accepts.
pub(super) fn refused(user: &str, tried: &[String], accepted: &MethodSet) -> ConnectError {
    let tried = if tried.is_empty() {
        "nothing: there is no key and no password".to_owned()
    } else {
        tried.join(", ")
    };
    let accepted: Vec<&str> = accepted.iter().map(Into::into).collect();
    failed(format!("{user} offered {tried}; it accepts {}", accepted.join(", ")))
}

#[cfg(test)]
mod tests {
    use russh::MethodKind;

    use super::*;

    #[test]
    fn a_refusal_lists_what_was_offered_and_what_is_accepted() {
        let accepted = MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]);
        let tried = ["/keys/one".to_owned(), "the password".to_owned()];
        let refused = refused("root", &tried, &accepted);
        assert_eq!(refused.reason, "root offered /keys/one, the password; it accepts publickey, password");
        assert!(refused.phase == Phase::Authentication && !refused.transient);
    }

    #[test]
    fn a_refusal_says_where_nothing_could_be_offered() {
        let refused = refused("root", &[], &MethodSet::empty());
        assert_eq!(refused.reason, "root offered nothing: there is no key and no password; it accepts ");
    }
}
