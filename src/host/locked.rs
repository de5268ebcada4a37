//! The capability to change a host.

use std::time::Duration;

use super::{
    detached_job::{self, DetachedJob},
    error::Result,
    probe::Probe,
    upload::Upload,
};
use crate::units::HostName;

impl Probe {
    /// Takes the cluster's lock on this host, and with it the right to change it. This host's shell holds the
    /// lock: it is free when the shell ends, however it ends, and a script of a killed run keeps it until
    /// that script ends. A run that holds it is waited for (at most 15 s), and `on_wait` gets its name.
    ///
    /// The probe is consumed: what was read before the lock may have changed, and is read again through
    /// [`LockedHost::probe`].
    ///
    /// ```compile_fail,E0382
    /// # use provision::host::{Error, Probe};
    /// # async fn example(probe: Probe) -> Result<(), Error> {
    /// let locked = probe.lock("orders", "this run", &|_| {}).await?;
    /// probe.ask("the date", "date").await?; // error: borrow of moved value
    /// # Ok(()) }
    /// ```
    pub async fn lock(
        self,
        cluster: &str,
        holder: &str,
        on_wait: &(dyn Fn(&str) + Sync),
    ) -> Result<LockedHost> {
        self.host.lock(cluster, holder, on_wait).await?;
        Ok(LockedHost { probe: self })
    }
}

/// The capability to change a host. Obtained by [`Probe::lock`] only.
pub struct LockedHost {
    probe: Probe,
}

impl LockedHost {
    /// The read-only capability of the same host.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The host's name in the inventory.
    pub fn name(&self) -> &HostName {
        self.probe.name()
    }

    /// Gives the right to change the host back: when this returns, the lock is free there. Neither the lock
    /// nor its probe can be used afterwards:
    ///
    /// ```compile_fail,E0382
    /// # use provision::host::{Error, LockedHost};
    /// # async fn example(locked: LockedHost) -> Result<(), Error> {
    /// locked.release().await;
    /// locked.probe().ask("the date", "date").await?; // error: borrow of moved value
    /// # Ok(()) }
    /// ```
    ///
    /// nor a probe that was borrowed before:
    ///
    /// ```compile_fail,E0505
    /// # use provision::host::{Error, LockedHost};
    /// # async fn example(locked: LockedHost) -> Result<(), Error> {
    /// let probe = locked.probe();
    /// locked.release().await; // error: cannot move out of `locked` because it is borrowed
    /// probe.ask("the date", "date").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The same without the mistake compiles:
    ///
    /// ```
    /// # use provision::host::{Error, LockedHost, Probe};
    /// # async fn example(probe: Probe) -> Result<(), Error> {
    /// let locked = probe.lock("orders", "this run", &|_| {}).await?;
    /// locked.probe().ask("the date", "date").await?;
    /// locked.release().await;
    /// # Ok(()) }
    /// ```
    pub async fn release(self) {
        self.probe.host.release().await;
    }

    /// Runs a script that changes the host; `what` names it in errors. Each line it prints goes to `on_line`
    /// as it comes. Fails when the script exits non-zero or prints nothing for `idle`.
    pub async fn run(
        &self,
        what: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<String>> {
        self.probe.host.script(what, script, idle, on_line).await
    }

    /// Runs a long script that must not die with the connection: it continues on the host while the link is
    /// lost, and its output is followed from where it was lost. `key` names the job: a second call with the
    /// same key and script joins the running job, or collects the one that has ended, also after provision
    /// itself was killed. On this machine there is no link to lose, and it is [`run`](Self::run).
    pub async fn run_detached(
        &self,
        what: &str,
        key: &str,
        script: &str,
        idle: Duration,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Vec<String>> {
        if !self.probe.is_remote() {
            return self.run(what, script, idle, on_line).await;
        }
        detached_job::follow(&self.probe.host, &DetachedJob { what, key, script, idle }, on_line).await
    }

    /// Puts a file on the host: temporary file in the same folder, SHA-256, mode, rename. The folder must
    /// exist.
    pub async fn put(&self, upload: &Upload, remote: &str, mode: u32) -> Result<()> {
        self.probe.host.transport.put(self.name(), upload, remote, mode).await
    }
}
