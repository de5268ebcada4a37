//! The source package of a Debian-like distribution, through the system's own apt, with state of our own:
//! nothing in /etc or /var/lib/apt is touched, and a plain user can do it. apt checks the signatures.

use std::time::Duration;

use super::context::BuildContext;
use crate::{
    distro::debian::{
        self, deb_src,
        source_package::{self, SourcePackage},
    },
    host::{minify, with_parameters},
};

/// The longest silence of apt, which has its own timeouts for each connection.
const APT_IDLE_TIMEOUT: Duration = Duration::from_mins(3);

/// The archives of one host.
pub(super) struct Apt<'a> {
    context: &'a BuildContext<'a>,
}

impl<'a> Apt<'a> {
    pub(super) fn new(context: &'a BuildContext<'a>) -> Self {
        Self { context }
    }

    /// Downloads the source package of the wanted version; returns the tarball's path on the host, and
    /// whether apt verifies the archives there. The error is a line for the list of places.
    pub(super) async fn fetch(&self) -> Result<(String, SourcePackage, bool), String> {
        let verified = self.prepare().await?;
        let spec = self.context.spec;
        let (name, version) = (spec.engine.name(), spec.version.to_string());
        let mut packages = self.packages(false).await?;
        for fresh in [false, true] {
            match source_package::pick(&packages, &version) {
                Some(package) => match self.download(package).await {
                    Ok(()) => {
                        let path = format!("{}/{}", self.folder(), package.file);
                        return Ok((path, package.clone(), verified));
                    }
                    Err(reason) if fresh => return Err(reason),
                    Err(_) => {}
                },
                None if fresh => break,
                None => {}
            }
            // The lists are missing, or too old for what the archive has now.
            packages = self.packages(true).await?;
        }
        Err(source_package::none_of(&packages, name, &version, &self.suite()))
    }

    fn suite(&self) -> String {
        self.context.spec.source.suite.clone().unwrap_or_else(|| self.context.facts.codename.clone())
    }

    /// The lists of each suite have a folder of their own, so that they are downloaded once.
    fn folder(&self) -> String {
        let name: String =
            self.suite().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        format!("{}/provision/apt/{name}", self.context.facts.cache_home)
    }

    /// Writes the entries and the configuration of our own apt state; returns whether apt verifies all
    /// entries.
    async fn prepare(&self) -> Result<bool, String> {
        let facts = self.context.facts;
        if facts.distro() != Some(&debian::DISTRO) {
            return Err(format!("no source packages are known for {}", facts.os.join(" ")));
        }
        let lines = self.ask("apt's sources", &[], debian::LIST_ARCHIVES).await?;
        let suite = self.context.spec.source.suite.as_deref();
        let entries = deb_src::of(&debian::archives(&lines), &facts.codename, suite);
        if entries.is_empty() {
            return Err(format!("/etc/apt names no archive of {} {}", facts.os.join(" "), facts.codename));
        }
        let folder = self.folder();
        let configuration = debian::apt_conf(&folder);
        let parameters =
            [("folder", folder.as_str()), ("configuration", &configuration), ("entries", &entries)];
        self.run("preparing apt's source lists", &parameters, debian::PREPARE).await?;
        Ok(deb_src::are_verified(&entries))
    }

    async fn packages(&self, update: bool) -> Result<Vec<SourcePackage>, String> {
        let folder = self.folder();
        if update {
            let what = format!("reading the source lists of {}", self.suite());
            self.run(&what, &[("folder", &folder)], debian::UPDATE).await?;
        }
        let parameters = [("folder", folder.as_str()), ("package", self.context.spec.engine.name())];
        let lines = self.ask("apt's source packages", &parameters, debian::SHOW_SOURCE).await?;
        Ok(source_package::parse(&lines))
    }

    async fn download(&self, package: &SourcePackage) -> Result<(), String> {
        let package = format!("{}={}", self.context.spec.engine.name(), package.version);
        let parameters = [("folder", self.folder()), ("package", package.clone())];
        let parameters = parameters.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.run(&format!("downloading {package}"), &parameters, debian::DOWNLOAD).await
    }

    async fn ask(
        &self,
        what: &str,
        parameters: &[(&str, &str)],
        program: &str,
    ) -> Result<Vec<String>, String> {
        let script = with_parameters(parameters, &minify(program));
        self.context.host.probe().ask(what, &script).await.map_err(|error| error.to_string())
    }

    async fn run(&self, what: &str, parameters: &[(&str, &str)], program: &str) -> Result<(), String> {
        let script = with_parameters(parameters, &minify(program));
        let mut log = |line: &str| self.context.events.log(line);
        let ended = self.context.host.run_detached(what, "apt", &script, APT_IDLE_TIMEOUT, &mut log).await;
        ended.map(drop).map_err(|error| error.to_string().replace('\n', " "))
    }
}
