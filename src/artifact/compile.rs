//! One compilation on a host: send the tarball, run the script, read its output, take the binary back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    BuildContext, Error, Result, Tarball,
    diagnose::diagnose,
    digest,
    output::BuildOutput,
    script::{self, WORK_FOLDER_TIMEOUT, status},
    store,
};
use crate::host::{self, Upload};

/// The longest silence of a build: one object, or the link.
const BUILD_IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// The longest silence of the small scripts around it.
const WORK_FOLDER_IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// What a compilation gave.
pub(super) struct Compiled {
    pub(super) sha256: String,
    /// The compiler's own first line.
    pub(super) compiler: String,
    /// The variables make was called with.
    pub(super) flags: Vec<String>,
}

/// Compiles on the host and leaves the binary at `binary` here. The work folder is gone afterwards, the log is kept;
/// where the host was lost it may still be compiling, for another run by now: the next one joins it.
pub(super) async fn compile(
    context: &BuildContext<'_>,
    tarball: &Tarball,
    binary: &Path,
) -> Result<Compiled> {
    let key = digest::of_parts(&[&tarball.sha256, &context.spec.recipe.id()]);
    let cache = &context.facts.cache_home;
    let work = format!("{cache}/provision/build/{}", digest::short(&key));
    let compilation = Compilation { context, tarball, work: &work };
    let compiled = compilation.run(binary).await;
    if matches!(&compiled, Err(Error::Host(_))) {
        return compiled;
    }
    let tidy = script::tidy(cache, &work, context.host.probe().is_remote());
    if let Err(error) = compilation.in_work_folder("removing the build's work folder", &tidy).await {
        context.events.notice(format!("{work} is left there: {error}"));
    }
    compiled
}

/// A tarball in a work folder.
struct Compilation<'a> {
    context: &'a BuildContext<'a>,
    tarball: &'a Tarball,
    /// The folder on the host.
    work: &'a str,
}

impl Compilation<'_> {
    async fn run(&self, binary: &Path) -> Result<Compiled> {
        let BuildContext { spec, host, facts, events, .. } = *self.context;
        let prepare = script::prepare(&facts.cache_home, self.work);
        self.in_work_folder("preparing the build's work folder", &prepare).await?;
        let source = Upload::read(&self.tarball.path).map_err(store::unusable(&self.tarball.path))?;
        host.put(&source, &format!("{}/source.tar", self.work), 0o644).await?;
        let mut output = BuildOutput::new(events, facts.cores);
        let what = format!("compiling {}", spec.title());
        let script = script::build(spec, facts, self.work);
        // A run after one that was killed joins its compilation.
        let mut feed = |line: &str| output.feed(line);
        let ended = host.run_detached(&what, "build", &script, BUILD_IDLE_TIMEOUT, &mut feed).await;
        let log = self.keep_log(&output.log)?;
        match ended {
            Ok(_) => output.finished(),
            Err(host::Error::Script { status, .. }) => return Err(self.explain(status, output, log)),
            Err(other) => return Err(other.into()),
        }
        if !output.version.contains(&format!("v={} ", spec.version)) {
            let (host, title) = (host.name().to_owned(), spec.title());
            return Err(Error::WrongBinary { host, title, answer: output.version, log });
        }
        let sha256 = host.probe().get(&format!("{}/server", self.work), binary).await?;
        let flags = output.flags(spec.recipe.flags(&facts.arch));
        Ok(Compiled { sha256, flags, compiler: output.compiler })
    }

    async fn in_work_folder(&self, what: &str, script: &str) -> host::Result<()> {
        self.context.host.run(what, script, WORK_FOLDER_IDLE_TIMEOUT, &mut |_| {}).await.map(drop)
    }

    fn keep_log(&self, lines: &[String]) -> Result<PathBuf> {
        let BuildContext { spec, facts, store, .. } = *self.context;
        let key = self.work.rsplit('/').next().unwrap_or(self.work);
        let path = store.dir().logs().join(format!("{}-{key}-{}.log", spec.stem(), facts.arch));
        store::folder(&store.dir().logs())?;
        let mut text = lines.join("\n");
        text.push('\n');
        store::write(&path, &text).map_err(store::unusable(&path))?;
        Ok(path)
    }

    fn explain(&self, status: i32, output: BuildOutput<'_>, log: PathBuf) -> Error {
        let BuildContext { spec, host, facts, .. } = *self.context;
        let (host, title) = (host.name().to_owned(), spec.title());
        let file = self.tarball.from.clone();
        match status {
            status::EXTRACT => Error::Extract { host, file, reason: output.last_line() },
            status::VERSION => Error::WrongVersion { file, found: output.found, wanted: title },
            status::NO_SOURCE => Error::NotASource { file },
            status::TOOLS => {
                let packages = facts.distro().map(|distro| spec.recipe.packages(distro).join(" "));
                let packages = packages.map_or_else(String::new, |packages| format!(" ({packages})"));
                let help = format!("install them{packages}, then run the same command again");
                Error::Tools { host, missing: output.missing, help }
            }
            status::HELD => Error::Busy { title, waited: WORK_FOLDER_TIMEOUT },
            _ => Error::Compile { host, title, diagnosis: Box::new(diagnose(&output.log)), log },
        }
    }
}
