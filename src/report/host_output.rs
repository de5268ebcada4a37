//! What hosts say to a command: a line at a time, never one inside another.

use owo_colors::OwoColorize;
use serde_json::json;

use super::{json_line, result, terminal::harmless};
use crate::units::HostName;

/// One thing a host said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostOutput<'a> {
    Line(&'a str),
    /// The command ended; a status of 0 goes without saying.
    Status(i32),
}

/// Prints it under the host's name, which is given so much room.
pub fn host_output(host: &HostName, said: &HostOutput<'_>, width: usize, json: bool) {
    match (said, json) {
        (HostOutput::Line(line), true) => json_line(&json!({ "host": host, "line": line })),
        (HostOutput::Status(status), true) => json_line(&json!({ "host": host, "status": status })),
        (HostOutput::Line(line), false) => {
            result(&format!("{} {}", format!("{host:<width$} |").dimmed(), harmless(line)));
        }
        (HostOutput::Status(0), false) => {}
        (HostOutput::Status(status), false) => {
            result(&format!(
                "{} {}",
                format!("{host:<width$} |").dimmed(),
                format!("ended with status {status}").red()
            ));
        }
    }
}
