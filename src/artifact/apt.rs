//! The source package of a Debian-like distribution, through the system's own apt, with state of our own: nothing
//! in /etc or /var/lib/apt is touched, and a plain user can do it. Signatures are apt's business.

use std::time::Duration;

use super::BuildContext;
use crate::{
    distro::{
        deb_src,
        source_package::{self, SourcePackage},
    },
    host::quote,
};

/// The longest silence of apt, which has its own timeouts for each connection.
const APT_IDLE_TIMEOUT: Duration = Duration::from_mins(3);

/// Prints the system's sources: `== name`, then the file.
const SOURCES: &str = r#"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ -r "$file" ] || continue
  echo "== $file"
  cat "$file"
  echo
done"#;

/// The archives of one host.
pub(super) struct Apt<'a> {
    context: &'a BuildContext<'a>,
}

impl<'a> Apt<'a> {
    pub(super) fn new(context: &'a BuildContext<'a>) -> Self {
        Self { context }
    }

    /// Downloads the source package of the wanted version; returns the tarball's path on the host. The error is a
    /// line for the list of places.
    pub(super) async fn fetch(&self) -> Result<(String, SourcePackage), String> {
        self.prepare().await?;
        let mut offers = self.offers(false).await?;
        for fresh in [false, true] {
            match source_package::pick(&offers, &self.context.spec.version.to_string()) {
                Some(offer) => match self.download(offer).await {
                    Ok(()) => return Ok((format!("{}/{}", self.folder(), offer.file), offer.clone())),
                    Err(reason) if fresh => return Err(reason),
                    Err(_) => {}
                },
                None if fresh => break,
                None => {}
            }
            // The lists are missing, or too old for what the archive has now.
            offers = self.offers(true).await?;
        }
        Err(source_package::none_of(
            &offers,
            self.context.spec.engine.name(),
            &self.context.spec.version.to_string(),
            &self.suite(),
        ))
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

    /// Writes the sources and the configuration of our own apt state.
    async fn prepare(&self) -> Result<(), String> {
        if self.context.facts.distro().is_none_or(|distro| distro.id != "debian") {
            return Err(format!("no source packages are known for {}", self.context.facts.os.join(" ")));
        }
        let lines =
            self.context.host.probe().ask("apt's sources", SOURCES).await.map_err(|e| e.to_string())?;
        let entries = deb_src::of(
            &files(&lines),
            &self.context.facts.codename,
            self.context.spec.source.suite.as_deref(),
        );
        if entries.is_empty() {
            return Err(format!(
                "/etc/apt names no archive of {} {}",
                self.context.facts.os.join(" "),
                self.context.facts.codename
            ));
        }
        let (folder, conf) = (quote(&self.folder()), quote(&configuration(&self.folder())));
        let script = format!(
            "set -e\ncommand -v apt-get apt-cache >/dev/null\nmkdir -p {folder}/lists/partial {folder}/cache/archives/partial {folder}/parts\n\
             printf %s {conf} >{folder}/apt.conf\nprintf %s {} >{folder}/parts/entries.sources",
            quote(&entries)
        );
        self.run("preparing apt's source lists", &script).await.map(drop)
    }

    async fn offers(&self, update: bool) -> Result<Vec<SourcePackage>, String> {
        let (conf, package) =
            (quote(&format!("{}/apt.conf", self.folder())), self.context.spec.engine.name());
        if update {
            let what = format!("reading the source lists of {}", self.suite());
            // Some archives may be out of reach while the one that matters is not: the lists tell.
            self.run(&what, &format!("apt-get -c {conf} -q update || :")).await?;
        }
        let script = format!("apt-cache -c {conf} showsrc --only-source {package} 2>/dev/null || :");
        Ok(source_package::parse(
            &self
                .context
                .host
                .probe()
                .ask("apt's source packages", &script)
                .await
                .map_err(|e| e.to_string())?,
        ))
    }

    async fn download(&self, offer: &SourcePackage) -> Result<(), String> {
        let folder = self.folder();
        let package = format!("{}={}", self.context.spec.engine.name(), offer.version);
        let script = format!(
            "cd {} && apt-get -c {} -q source --download-only --tar-only {}",
            quote(&folder),
            quote(&format!("{folder}/apt.conf")),
            quote(&package)
        );
        self.run(&format!("downloading {package}"), &script).await.map(drop)
    }

    async fn run(&self, what: &str, script: &str) -> Result<Vec<String>, String> {
        let mut log = |line: &str| self.context.events.log(line);
        self.context
            .host
            .run_detached(what, "apt", script, APT_IDLE_TIMEOUT, &mut log)
            .await
            .map_err(|e| e.to_string().replace('\n', " "))
    }
}

/// The system's configuration stays in force (its proxies, its trusted keys), except for where state is kept and for
/// hooks, which tidy up the system's own state.
fn configuration(folder: &str) -> String {
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/parts";
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}";
APT::Sandbox::User "";
APT::Get::List-Cleanup "true";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Languages "none";
"#
    )
}

fn files(lines: &[String]) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("== "), files.last_mut()) {
            (Some(name), _) => files.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    files
}
