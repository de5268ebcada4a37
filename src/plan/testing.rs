//! Builders for tests: a fleet, its desired resources, and what a host says that has them, in a line each.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    Blueprint, Desired, Error, HostSnapshot, Plan, PlanInput, PlanOptions, Rollout, Templates, Work,
};
use crate::{
    artifact::{Artifact, ArtifactSpec, ArtifactStore, Builder, Provenance, SourceRecord},
    cluster::{ConfigChange, Topology},
    host::{Facts, InitSystem},
    inventory::{self, Fleet, Fold, Host, NodeRef},
    playbook::{self, Playbook},
    resource::{Content, Layout, Observed, Resource},
    units::HostName,
};

/// The facts of a Debian host with systemd, seen as root.
pub(crate) fn facts() -> Facts {
    Facts {
        uid: 0,
        data_home: "/root/.local/share".into(),
        cache_home: "/root/.cache".into(),
        arch: "x86_64".into(),
        cores: 4,
        init: InitSystem::Systemd,
        systemd: 252,
        os: vec!["debian".into()],
        os_version: "12".into(),
        codename: "bookworm".into(),
        libc: "glibc 2.36".into(),
        lacks: Vec::new(),
        level: 3,
        compiler: String::new(),
        boot_id: "boot".into(),
        accounts: BTreeMap::new(),
        knows: BTreeMap::new(),
    }
}

/// The same host, seen as an ordinary user.
pub(crate) fn facts_of_user() -> Facts {
    Facts { uid: 1000, data_home: "/home/ann/.local/share".into(), ..facts() }
}

/// An artifact of the default fleet at a path, whose content need not be a binary.
pub(crate) fn artifact(path: &Path, sha256: &str) -> Artifact {
    let spec = ArtifactSpec::of(&fleet(&["a"]));
    let provenance = Provenance {
        engine: spec.engine,
        version: spec.version,
        source: SourceRecord { sha256: String::new(), from: String::new() },
        recipe: spec.recipe.id(),
        flags: Vec::new(),
        compiler: String::new(),
        arch: "x86_64".to_owned(),
        libc: String::new(),
        built_at: jiff::Timestamp::UNIX_EPOCH,
        host: "a".into(),
        inventory: None,
        sha256: sha256.to_owned(),
        size: 1,
    };
    Artifact { path: path.to_owned(), sha256: sha256.to_owned(), size: 1, provenance }
}

/// A cache of artifacts below a folder.
pub(crate) fn cache_at(folder: impl Into<std::path::PathBuf>) -> ArtifactStore {
    ArtifactStore::new(crate::cache_dir::CacheDir::at(folder))
}

/// A fleet of these hosts with three nodes on each; `cluster` are further lines of `[cluster]`.
pub(crate) fn fleet_with(hosts: &[&str], cluster: &str) -> Fleet {
    let mut text = format!("[cluster]\nname = \"orders\"\nreplicas = 0\nport = 7001\n{cluster}\n");
    if !cluster.contains("auth") {
        text = text.replace("name =", "auth = \"none\"\nname =");
    }
    if !cluster.contains("version") {
        text = text.replace("name =", "version = \"7.0.15\"\nname =");
    }
    for (index, host) in hosts.iter().enumerate() {
        text.push_str(&format!(
            "[[hosts]]\nname = \"{host}\"\naddress = \"10.0.0.{}\"\nnodes = 3\n",
            index + 1
        ));
    }
    inventory::parse("orders.toml", &text, Fold::AsWritten).unwrap()
}

pub(crate) fn fleet(hosts: &[&str]) -> Fleet {
    fleet_with(hosts, "")
}

/// The compiled-in flow, with these steps of the user's own in TOML.
pub(crate) fn playbook(fleet: &Fleet, own: &str) -> Playbook {
    playbook::parse(fleet, "cluster", "cluster.toml", &format!("extends = \"cluster\"\n{own}")).unwrap()
}

/// The compiled-in templates.
pub(crate) fn templates() -> Templates {
    Templates {
        config: include_str!("../../templates/redis.conf").to_owned(),
        unit: include_str!("../../templates/node.service").to_owned(),
        sysctl: include_str!("../../templates/sysctl.conf").to_owned(),
    }
}

/// What the flow desires of a host with these facts, where a build needs `packages`.
pub(crate) fn desired(
    fleet: &Fleet,
    host: &Host,
    facts: &Facts,
    own: &str,
    packages: &[&str],
) -> Vec<Desired> {
    let (playbook, templates) = (playbook(fleet, own), templates());
    let packages: Vec<String> = packages.iter().map(|name| (*name).to_owned()).collect();
    let blueprint = Blueprint { fleet, playbook: &playbook, templates: &templates };
    blueprint.desired_resources(host, facts, &Layout::new(fleet, facts), &packages).unwrap()
}

/// What the server of these hosts knows of what the template asks.
const KNOWN: [&str; 3] = ["cluster-announce-ip", "protected-mode", "supervised"];

/// What a host prints that has all of this, as the probe script prints it. Passwords are not supported.
pub(crate) fn answers(desired: &[Desired]) -> Vec<String> {
    let resources = || desired.iter().flat_map(|step| &step.resources);
    // Of a folder that is wanted twice the last line counts: the one with a mode.
    let any_mode =
        |resource: &&Resource| matches!(resource, Resource::Directory(folder) if folder.mode.is_none());
    let (first, then) = (resources().filter(any_mode), resources().filter(|it| !any_mode(it)));
    first.chain(then).flat_map(answer).collect()
}

/// What a host prints that has all of this, as it is read.
pub(crate) fn observed(desired: &[Desired]) -> Observed {
    read(desired, &answers(desired))
}

fn read(desired: &[Desired], lines: &[String]) -> Observed {
    Observed::read(desired.iter().flat_map(|step| &step.resources), lines)
}

/// The lines in which a host says that it has a resource.
fn answer(resource: &Resource) -> Vec<String> {
    match resource {
        Resource::User(user) => vec![format!("=user {}", user.name)],
        Resource::Directory(directory) => {
            let owner = directory.owner.as_deref();
            vec![path("directory", directory.mode.unwrap_or(0o755), owner, &directory.path)]
        }
        Resource::File(file) => {
            let Content::Text(text) = &file.content else { panic!("{} is a password", file.path) };
            let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
            let state = path("regular file", file.mode, file.owner.as_deref(), &file.path);
            vec![state, format!("=sum {sha256}  {}", file.path)]
        }
        Resource::Config(config) => {
            let binary = &config.binary;
            let text = config.settle(|name| Some(KNOWN.contains(&name))).text;
            let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
            let state = path("regular file", config.mode, config.owner.as_deref(), &config.path);
            let knows = format!("=knows {binary} {} ", KNOWN.join(" "));
            vec![state, format!("=sum {sha256}  {}", config.path), knows]
        }
        Resource::Line(line) => vec![path("regular file", 0o644, None, &line.path)],
        Resource::Binary(binary) => {
            let state = path("regular file", 0o755, None, &binary.path());
            let digest = format!("=sum ab12  {}", binary.path());
            vec![state, digest, format!("=must {}/SHA256SUMS ab12", binary.folder)]
        }
        Resource::Package(package) => package.names.iter().map(|name| format!("=package {name}")).collect(),
        Resource::Command(command) => {
            command.creates.iter().map(|made| path("regular file", 0o644, None, made)).collect()
        }
        Resource::Unit(unit) => vec![format!("=unit {} enabled active", unit.name)],
        Resource::KernelSetting(setting) => vec![format!("=setting {} rw {}", setting.path, setting.value)],
        Resource::Process(process) => vec![format!("=node {} 1 current installed", process.name())],
        Resource::ManifestFile(_) => Vec::new(),
    }
}

/// The line that says what stands at a path.
pub(crate) fn path(what: &str, mode: u32, owner: Option<&str>, path: &str) -> String {
    let (user, group) = owner.unwrap_or("root:root").split_once(':').unwrap();
    format!("=path {what}|{mode:o}|{user}|{group}|0|0|1|{path}")
}

/// A fleet at one moment, and the options of a plan for it.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) hosts: BTreeMap<HostName, HostSnapshot>,
    /// What each host prints; read when a plan is made.
    lines: BTreeMap<HostName, Vec<String>>,
    builders: Vec<Builder>,
    unreachable: BTreeMap<HostName, String>,
    form: Option<String>,
    config: BTreeMap<NodeRef, ConfigChange>,
    options: PlanOptions,
}

impl Scene {
    /// Hosts that have all that is desired, in a formed cluster; `own` are steps of the user's own.
    pub(crate) fn converged_with(hosts: &[&str], own: &str) -> Self {
        let fleet = fleet(hosts);
        let snapshot = |host: &Host| {
            let desired = desired(&fleet, host, &facts(), own, &["gcc"]);
            let observed = observed(&desired);
            (host.name.clone(), HostSnapshot { desired, observed, init: InitSystem::Systemd })
        };
        let hosts: BTreeMap<_, HostSnapshot> = fleet.hosts.iter().map(snapshot).collect();
        let lines = hosts.iter().map(|(name, host)| (name.clone(), answers(&host.desired))).collect();
        let (builders, unreachable) = (Vec::new(), BTreeMap::new());
        Self {
            fleet,
            hosts,
            lines,
            builders,
            unreachable,
            form: None,
            config: BTreeMap::new(),
            options: PlanOptions::default(),
        }
    }

    pub(crate) fn converged(hosts: &[&str]) -> Self {
        Self::converged_with(hosts, "")
    }

    /// Hosts on which nothing was done; the first one compiles for all.
    pub(crate) fn bare(hosts: &[&str]) -> Self {
        let mut scene = Self::converged(hosts);
        scene.lines.values_mut().for_each(Vec::clear);
        scene.builds(hosts[0], &hosts[1..]).unformed("no node knows another")
    }

    pub(crate) fn builds(mut self, host: &str, consumers: &[&str]) -> Self {
        let consumers = consumers.iter().copied().map(HostName::from).collect();
        self.builders.push(Builder { host: host.into(), consumers, why: "it is missing".to_owned() });
        self
    }

    pub(crate) fn unformed(mut self, why: &str) -> Self {
        self.form = Some(why.to_owned());
        self
    }

    /// Loses a host before it was inspected.
    pub(crate) fn unreachable(mut self, host: &str) -> Self {
        self.hosts.remove(host);
        self.unreachable.insert(host.into(), format!("{host}: no route to host"));
        self
    }

    /// Gives a running node a configuration that differs.
    pub(crate) fn configured(mut self, node: &str, change: ConfigChange) -> Self {
        self.config.insert(node.parse().unwrap(), change);
        self
    }

    pub(crate) fn tags(mut self, tags: &[&str]) -> Self {
        self.options.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    pub(crate) fn limit(mut self, hosts: &[&str]) -> Self {
        self.options.limit = Some(hosts.iter().copied().map(HostName::from).collect::<BTreeSet<_>>());
        self
    }

    pub(crate) fn rollout(mut self, serial: Option<usize>, max_failures: usize) -> Self {
        self.options.rollout = Rollout { serial, max_failures };
        self
    }

    /// Removes all files with this end from a host.
    pub(crate) fn without_file(self, host: &str, end: &str) -> Self {
        self.without(host, |line| line.starts_with("=path ") && line.ends_with(end))
    }

    /// Removes lines from what a host prints.
    pub(crate) fn without(mut self, host: &str, is_removed: impl Fn(&str) -> bool) -> Self {
        let lines = self.lines.get_mut(host).unwrap();
        let before = lines.len();
        lines.retain(|line| !is_removed(line));
        assert!(lines.len() < before, "there is no such line");
        self
    }

    /// Puts something else at a path of a host.
    pub(crate) fn with_path(self, host: &str, what: &str, at: &str) -> Self {
        self.with(host, path(what, 0o755, None, at))
    }

    /// Adds a line to what a host prints.
    pub(crate) fn with(mut self, host: &str, line: impl Into<String>) -> Self {
        self.lines.get_mut(host).unwrap().push(line.into());
        self
    }

    /// All that a host prints.
    pub(crate) fn output(&self, host: &str) -> String {
        self.lines[host].iter().map(|line| format!("{line}\n")).collect()
    }

    /// Has a host print something else.
    pub(crate) fn with_output(mut self, host: &str, lines: Vec<String>) -> Self {
        self.lines.insert(host.into(), lines);
        self
    }

    /// Replaces what a host says of a kernel setting: `rw` or `ro`, and its value.
    pub(crate) fn with_setting(self, host: &str, path: &str, state: &str) -> Self {
        let setting = format!("=setting {path} ");
        self.without(host, |line| line.starts_with(&setting)).with(host, setting.clone() + state)
    }

    /// Puts another text into the unit of a host's nodes than the one it must have.
    pub(crate) fn with_unit(self, host: &str, edit: impl Fn(&str) -> String) -> Self {
        let all = self.hosts[host].desired.iter().flat_map(|step| &step.resources);
        let mut units = all.filter_map(|resource| match resource {
            Resource::File(file) if file.path.ends_with("@.service") => Some(file.clone()),
            _ => None,
        });
        let unit = units.next().unwrap();
        let text = BASE64_STANDARD.encode(edit(unit.content.text().unwrap()));
        let digest = format!("  {}", unit.path);
        self.without(host, |line| line.starts_with("=sum ") && line.ends_with(&digest))
            .with(host, format!("=sum other{digest}"))
            .with(host, format!("=text {text} {}", unit.path))
    }

    /// Stops a node, and gives its port to another process.
    pub(crate) fn with_port_taken(self, host: &str, node: &str) -> Self {
        let running = format!("=node {node} ");
        self.without(host, |line| line.starts_with(&running))
            .with(host, format!("=taken {node} {node} nginx (pid 412)"))
    }

    /// What is desired of a host, beside what it printed.
    pub(crate) fn snapshot(&self, host: &str) -> HostSnapshot {
        let mut snapshot = self.hosts[host].clone();
        snapshot.observed = read(&snapshot.desired, &self.lines[host]);
        snapshot
    }

    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        Plan::new(&PlanInput {
            fleet: &self.fleet,
            hosts: self.hosts.keys().map(|host| (host.clone(), self.snapshot(host))).collect(),
            builders: self.builders.clone(),
            unreachable: self.unreachable.clone(),
            topology: Topology::place(&self.fleet),
            form: self.form.clone(),
            cluster: super::ClusterPlan::default(),
            config: self.config.clone(),
            refusal: None,
            options: &self.options,
        })
    }

    /// The stages of the plan, a line each: `install a,b`, `build on a`, `form`.
    pub(crate) fn stages(&self) -> Vec<String> {
        show(&self.plan().unwrap())
    }
}

/// The stages of a plan, a line each.
pub(crate) fn show(plan: &Plan) -> Vec<String> {
    let names = |hosts: Vec<&str>| hosts.join(",");
    let line = |stage: &super::Stage| match &stage.work {
        Work::Change(hosts) => {
            format!("{} {}", stage.step, names(hosts.iter().map(|host| host.host.as_str()).collect()))
        }
        Work::Build(builders) => {
            format!("{} on {}", stage.step, names(builders.iter().map(|b| b.host.as_str()).collect()))
        }
        Work::Form { .. } | Work::Verify | Work::Undo(_) => stage.step.to_string(),
    };
    plan.stages.iter().map(line).collect()
}
