//! Ctrl-C: once means finish the current step and stop, twice means stop now.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::event::{Event, Events};

/// A flag that the first Ctrl-C raises.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Starts to listen for Ctrl-C. The second Ctrl-C ends the process with exit code 130; scripts that run
    /// on hosts finish by themselves, and the next run continues from there.
    pub fn on_ctrl_c(events: &Events) -> Self {
        let (cancel, events) = (Self::default(), events.clone());
        let flag = cancel.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            flag.0.store(true, Ordering::SeqCst);
            let text = "stopping after the current step; press Ctrl-C again to stop now".to_owned();
            events.emit(Event::Notice { host: None, text });
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
        cancel
    }

    #[cfg(test)]
    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
