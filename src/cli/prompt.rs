//! The person at the keyboard.

use crate::{host::Prompt, report, secret::SecretString};

/// The terminal the process was started from, whatever its standard input is.
pub(super) struct Terminal;

impl Prompt for Terminal {
    fn secret(&self, question: &str) -> Option<SecretString> {
        rpassword::prompt_password(format!("{question}: ")).ok().map(SecretString::from)
    }

    fn notice(&self, host: &str, text: &str) {
        report::note(&format!("{host}: {text}"));
    }
}
