//! A node that was to be restarted and did not end: its host tells why by the status of the script.

use super::Error;
use crate::{
    host,
    resource::{CANNOT_SAVE, DOES_NOT_END, Process, STOP_TIMEOUT},
};

/// Makes the error of a restart one of the node, where it is that.
pub(super) fn name(error: Error, process: &Process) -> Error {
    let (node, data, log) = (process.name().clone(), process.data.clone(), process.log.clone());
    match error {
        Error::Host(host::Error::Script { host, status: CANNOT_SAVE, output, .. }) => {
            Error::NotSaved { host, node, data, lines: output }
        }
        Error::Host(host::Error::Script { host, status: DOES_NOT_END, output, .. }) => {
            Error::NotStopped { host, node, log, seconds: STOP_TIMEOUT, lines: output }
        }
        other => other,
    }
}
