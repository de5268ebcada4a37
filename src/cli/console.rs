//! The person at the keyboard.

use crate::{host::Console, report, secret::SecretString};

/// The terminal the process was started from, whatever its standard input is.
pub(super) struct Terminal;

impl Console for Terminal {
    fn secret(&self, question: &str) -> Option<SecretString> {
        rpassword::prompt_password(format!("{question}: ")).ok().map(SecretString::from)
    }

    fn notice(&self, host: &str, text: &str) {
        report::remark(&format!("{host}: {text}"));
    }
}
