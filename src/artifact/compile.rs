//! One compilation on a host: send the tarball, run the script, understand what it says, take the binary back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ArtifactSpec, Error, Result, Tarball,
    diagnose::diagnose,
    digest,
    output::BuildOutput,
    script::{self, status},
    store::{self, ArtifactStore},
};
use crate::{
    event::StepEvents,
    host::{self, Facts, LockedHost, Upload},
};

/// The longest silence of a build: one object, or the link.
const IDLE: Duration = Duration::from_mins(10);

/// How long the small steps around it may be silent.
const SHORT: Duration = Duration::from_mins(2);

/// What a compilation gave.
pub(super) struct Built {
    pub(super) sha256: String,
    /// The compiler's own first line.
    pub(super) compiler: String,
    /// The variables make was given.
    pub(super) flags: Vec<String>,
}

/// Compiles on the host and leaves the binary at `binary` here. The work folder is gone afterwards, the log is kept; where
/// the host was lost it may still be compiling, for another run by now: the next one joins it.
pub(super) async fn compile(job: &Job<'_>, tarball: &Tarball, binary: &Path) -> Result<Built> {
    let key = digest::of_parts(&[&tarball.sha256, &job.spec.recipe.id()]);
    let cache = &job.facts.cache_home;
    let work = format!("{cache}/provision/build/{}", digest::short(&key));
    let built = job.inside(tarball, &work, binary).await;
    if matches!(&built, Err(Error::Host(_))) {
        return built;
    }
    let tidy = script::tidy(cache, &work, job.change.probe().is_remote());
    if let Err(error) = job.change.run("removing the build's work folder", &tidy, SHORT, &mut |_| {}).await {
        job.events.notice(format!("{work} is left there: {error}"));
    }
    built
}

/// The parties of a compilation.
pub(super) struct Job<'a> {
    pub(super) spec: &'a ArtifactSpec,
    pub(super) change: &'a LockedHost,
    pub(super) facts: &'a Facts,
    pub(super) cache: &'a ArtifactStore,
    pub(super) events: &'a StepEvents,
}

impl Job<'_> {
    async fn inside(&self, tarball: &Tarball, work: &str, binary: &Path) -> Result<Built> {
        let change = self.change;
        change
            .run(
                "preparing the build's work folder",
                &script::prepare(&self.facts.cache_home, work),
                SHORT,
                &mut |_| {},
            )
            .await?;
        let source = Upload::read(&tarball.path).map_err(store::unusable(&tarball.path))?;
        change.put(&source, &format!("{work}/source.tar"), 0o644).await?;
        let mut said = BuildOutput::new(self.events, self.facts.cores);
        let what = format!("compiling {}", self.spec.title());
        let script = script::build(self.spec, self.facts, work);
        // A run after one that was killed joins its compilation.
        let ended = change.run_detached(&what, "build", &script, IDLE, &mut |line| said.feed(line)).await;
        let log = self.keep_log(&said.log, work)?;
        match ended {
            Ok(_) => said.finished(),
            Err(host::Error::Script { status, .. }) => return Err(self.explain(status, said, tarball, log)),
            Err(other) => return Err(other.into()),
        }
        if !said.version.contains(&format!("v={} ", self.spec.version)) {
            let (host, title) = (change.name().to_owned(), self.spec.title());
            return Err(Error::WrongBinary { host, title, answer: said.version, log });
        }
        let sha256 = change.probe().get(&format!("{work}/server"), binary).await?;
        Ok(Built {
            sha256,
            flags: said.flags(self.spec.recipe.flags(&self.facts.arch)),
            compiler: said.compiler,
        })
    }

    fn keep_log(&self, lines: &[String], work: &str) -> Result<PathBuf> {
        let key = work.rsplit('/').next().unwrap_or(work);
        let path =
            self.cache.dir().logs().join(format!("{}-{key}-{}.log", self.spec.stem(), self.facts.arch));
        store::folder(&self.cache.dir().logs())?;
        let mut text = lines.join("\n");
        text.push('\n');
        store::write(&path, &text).map_err(store::unusable(&path))?;
        Ok(path)
    }

    fn explain(&self, status: i32, said: BuildOutput<'_>, tarball: &Tarball, log: PathBuf) -> Error {
        let (host, title) = (self.change.name().to_owned(), self.spec.title());
        let file = tarball.from.clone();
        match status {
            status::EXTRACT => {
                let reason =
                    said.log.into_iter().rfind(|line| !line.starts_with("provision: ")).unwrap_or_default();
                Error::Extract { host, file, reason }
            }
            status::VERSION => Error::WrongVersion { file, found: said.found, wanted: title },
            status::NO_SOURCE => Error::NotASource { file },
            status::TOOLS => {
                let packages = self.facts.distro().map(|distro| self.spec.recipe.packages(distro).join(" "));
                let help = packages.map_or_else(
                    || "install them, then run the same command again".to_owned(),
                    |packages| format!("install them ({packages}), then run the same command again"),
                );
                Error::Tools { host, missing: said.missing, help }
            }
            status::HELD => Error::Busy { title, waited: Duration::from_mins(1) },
            _ => Error::Compile { host, title, diagnosis: Box::new(diagnose(&said.log)), log },
        }
    }
}
