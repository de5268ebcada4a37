//! Builders for tests: a fleet, its desired resources, and what a host says that has them, in a line each.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Blueprint, Desired, Error, HostSnapshot, Plan, PlanInput, PlanOptions, Rollout, Templates, Work,
};
use crate::{
    artifact::{ArtifactStore, Builder},
    cluster::Topology,
    host::{Facts, InitSystem},
    inventory::{self, Fleet, Fold, Host},
    playbook::{self, Playbook},
    resource::{
        Content, File, Layout, Listener, Observed, Owner, PathState, ProcessState, Resource, SettingState,
        UnitState,
    },
};

/// The facts of a Debian host with systemd, seen as root.
pub(crate) fn facts() -> Facts {
    Facts {
        uid: 0,
        user: "root".into(),
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
    }
}

/// The same host, seen as an ordinary user.
pub(crate) fn facts_of_user() -> Facts {
    Facts { uid: 1000, user: "ann".into(), data_home: "/home/ann/.local/share".into(), ..facts() }
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

/// What is observed on a host that has all of this. Passwords are not supported.
pub(crate) fn observed(desired: &[Desired]) -> Observed {
    let mut observed = Observed::default();
    for resource in desired.iter().flat_map(|step| &step.resources) {
        satisfy(&mut observed, resource);
    }
    observed
}

/// Changes an observation so that it has a resource.
pub(crate) fn satisfy(observed: &mut Observed, resource: &Resource) {
    match resource {
        Resource::User(user) => drop(observed.users.insert(user.name.clone())),
        Resource::Directory(directory) => {
            let owner = owner(directory.owner.as_deref());
            let state = PathState::Directory { mode: directory.mode.unwrap_or(0o755), owner };
            if directory.mode.is_some() || !observed.paths.contains_key(&directory.path) {
                observed.paths.insert(directory.path.clone(), state);
            }
        }
        Resource::File(file) => drop(observed.paths.insert(file.path.clone(), file_state(file))),
        Resource::Binary(binary) => {
            let (mode, owner, sha256) = (0o755, owner(None), "ab12".to_owned());
            observed.paths.insert(binary.path(), PathState::File { mode, owner, size: 1, sha256 });
            observed.texts.insert(format!("{}/SHA256SUMS", binary.folder), "ab12  redis-server\n".to_owned());
        }
        Resource::Package(package) => observed.packages.extend(package.names.iter().cloned()),
        Resource::Command(command) => observed.guards.extend(command.unless.clone()),
        Resource::Unit(unit) => {
            let state = UnitState { enabled: "enabled".into(), active: "active".into() };
            observed.units.insert(unit.name.clone(), state);
        }
        Resource::KernelSetting(setting) => {
            let state = SettingState { value: setting.value.clone(), writable: true };
            observed.settings.insert(setting.path.clone(), state);
        }
        Resource::Process(process) => {
            let state = ProcessState { pid: 1, installed: true, current: true, enabled: true };
            observed.processes.insert(process.node.clone(), state);
        }
    }
}

fn owner(name: Option<&str>) -> Owner {
    let (user, group) = name.unwrap_or("root:root").split_once(':').unwrap();
    Owner { user: user.to_owned(), group: group.to_owned(), uid: 0, gid: 0 }
}

fn file_state(file: &File) -> PathState {
    let Content::Text(text) = &file.content else { panic!("{} is a password", file.path) };
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
    PathState::File { mode: file.mode, owner: owner(file.owner.as_deref()), size: 1, sha256 }
}

/// A fleet at one moment, and the options of a plan for it.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) hosts: BTreeMap<String, HostSnapshot>,
    builders: Vec<Builder>,
    unreachable: BTreeMap<String, String>,
    form: Option<String>,
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
        let hosts = fleet.hosts.iter().map(snapshot).collect();
        let (builders, unreachable) = (Vec::new(), BTreeMap::new());
        Self { fleet, hosts, builders, unreachable, form: None, options: PlanOptions::default() }
    }

    pub(crate) fn converged(hosts: &[&str]) -> Self {
        Self::converged_with(hosts, "")
    }

    /// Hosts on which nothing was done; the first one compiles for all.
    pub(crate) fn bare(hosts: &[&str]) -> Self {
        let mut scene = Self::converged(hosts);
        scene.hosts.values_mut().for_each(|host| host.observed = Observed::default());
        scene.builds(hosts[0], &hosts[1..]).unformed("no node knows another")
    }

    pub(crate) fn builds(mut self, host: &str, consumers: &[&str]) -> Self {
        let consumers = consumers.iter().map(|host| (*host).to_owned()).collect();
        self.builders.push(Builder { host: host.to_owned(), consumers, why: "it is missing".to_owned() });
        self
    }

    pub(crate) fn unformed(mut self, why: &str) -> Self {
        self.form = Some(why.to_owned());
        self
    }

    /// Loses a host before it was inspected.
    pub(crate) fn unreachable(mut self, host: &str) -> Self {
        self.hosts.remove(host);
        self.unreachable.insert(host.to_owned(), format!("{host}: no route to host"));
        self
    }

    pub(crate) fn tags(mut self, tags: &[&str]) -> Self {
        self.options.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self
    }

    pub(crate) fn limit(mut self, hosts: &[&str]) -> Self {
        self.options.limit = Some(hosts.iter().map(|host| (*host).to_owned()).collect::<BTreeSet<_>>());
        self
    }

    pub(crate) fn rollout(mut self, serial: Option<usize>, max_failures: usize) -> Self {
        self.options.rollout = Rollout { serial, max_failures };
        self
    }

    /// Removes all files with this end from a host.
    pub(crate) fn without_file(mut self, host: &str, end: &str) -> Self {
        let paths = &mut self.observed(host).paths;
        let before = paths.len();
        paths.retain(|path, _| !path.ends_with(end));
        assert!(paths.len() < before, "no file ends in {end}");
        self
    }

    /// Puts something else at a path of a host.
    pub(crate) fn with_path(mut self, host: &str, path: &str, state: PathState) -> Self {
        self.observed(host).paths.insert(path.to_owned(), state);
        self
    }

    /// Stops a node, and gives its port to another process.
    pub(crate) fn with_port_taken(mut self, host: &str, node: &str) -> Self {
        let observed = self.observed(host);
        observed.processes.remove(node);
        let (node, port) = (node.to_owned(), node.parse().unwrap());
        observed.taken.push(Listener { node, port, owner: "nginx (pid 412)".to_owned() });
        self
    }

    pub(crate) fn observed(&mut self, host: &str) -> &mut Observed {
        &mut self.hosts.get_mut(host).unwrap().observed
    }

    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        Plan::new(&PlanInput {
            fleet: &self.fleet,
            hosts: self.hosts.clone(),
            builders: self.builders.clone(),
            unreachable: self.unreachable.clone(),
            topology: Topology::place(&self.fleet),
            form: self.form.clone(),
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
        Work::Form { .. } | Work::Verify | Work::Undo(_) => stage.step.clone(),
    };
    plan.stages.iter().map(line).collect()
}
