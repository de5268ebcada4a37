//! The person at the keyboard.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{host::Console, report, secret::SecretString};

/// The terminal the process was started from, whatever its standard input is.
pub(super) struct Terminal;

impl Console for Terminal {
    fn secret(&self, question: &str) -> Option<SecretString> {
        let mut terminal = File::options().read(true).write(true).open("/dev/tty").ok()?;
        write!(terminal, "{question}: ").ok()?;
        let quiet = Quiet::new(&terminal)?;
        let mut answer = String::new();
        let read = BufReader::new(&terminal).read_line(&mut answer);
        drop(quiet);
        let _ = writeln!(terminal);
        let secret = SecretString::from(answer.trim_end_matches(['\r', '\n']).to_owned());
        read.is_ok().then_some(secret)
    }

    fn notice(&self, host: &str, text: &str) {
        report::remark(&format!("{host}: {text}"));
    }
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
