//! What all servers need of the kernel, now and after a boot.

use super::target::{HostTarget, above};
use crate::{
    inventory::Version,
    plan::render::{self, Error},
    resource::{Content, File, HUGE_PAGES, KernelSetting, Resource},
};

/// Later servers turn huge pages off for themselves (redis issue 5946).
const HANDLES_HUGE_PAGES: Version = Version::new(6, 2, 0);

impl HostTarget<'_> {
    /// A setting comes before its file, so that it is undone when the file is gone.
    pub(super) fn kernel(&self) -> Result<Vec<Resource>, Error> {
        let text = render::sysctl(&self.templates.sysctl, self.fleet, self.layout)?;
        let settings = KernelSetting::of_sysctl(&text).map_err(|line| render::not_sysctl(&line))?;
        let mut resources = self.persisted(settings, "/etc/sysctl.d", text);
        if self.fleet.version < HANDLES_HUGE_PAGES {
            let setting = KernelSetting { path: HUGE_PAGES.to_owned(), value: "madvise".to_owned() };
            let text = format!(
                "# Written by provision: huge pages make copy-on-write dear, and with it saving and replicating.\n\
                 w! {HUGE_PAGES} - - - - madvise\n"
            );
            resources.extend(self.persisted(vec![setting], "/etc/tmpfiles.d", text));
        }
        Ok(resources)
    }

    /// Settings, and the file that gives them their values at boot.
    fn persisted(&self, settings: Vec<KernelSetting>, folder: &str, text: String) -> Vec<Resource> {
        let path = format!("{folder}/10-provision-{}.conf", self.fleet.name);
        let folders = above(&path).map(Resource::Directory);
        let settings = settings.into_iter().map(Resource::KernelSetting);
        let file = File { path: path.clone(), content: Content::Text(text), mode: 0o644, owner: None };
        settings.chain(folders).chain([Resource::File(file)]).collect()
    }
}
