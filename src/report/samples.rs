//! Fleets and plans for the tests of what is shown, made from types alone: no host, no file.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    artifact::Builder,
    cluster::{Op, Topology},
    inventory::{Engine, Fleet, Fold, Host, Node, Version, parse},
    plan::{ClusterPlan, HostChanges, HostUndo, Plan, Planned, Rollout, Stage, Work},
    resource::{
        Action, Binary, Command, Content, Difference, Directory, Entry, File, KernelSetting, Process,
        Resource, Trials, User,
    },
};

/// n1 and so on, a node each; one host carries six.
pub(super) fn fleet(hosts: usize) -> Fleet {
    let names: Vec<String> = (1..=hosts).map(|number| format!("n{number}")).collect();
    fleet_of(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn fleet_of(names: &[&str]) -> Fleet {
    let host = |(index, name): (usize, &&str)| {
        let address = if names.len() == 1 { "local".to_owned() } else { format!("10.77.0.{}", index + 11) };
        format!("[[hosts]]\nname = \"{name}\"\naddress = \"{address}\"\n")
    };
    let hosts: String = names.iter().enumerate().map(host).collect();
    let text =
        format!("[cluster]\nname = \"demo\"\nversion = \"7.0.15\"\nport = 7001\nauth = \"none\"\n{hosts}");
    parse("demo.toml", &text, Fold::AsWritten).unwrap()
}

pub(super) fn plan(fleet: &Fleet, stages: Vec<Stage>) -> Plan {
    Plan {
        provision: "0.0.0".to_owned(),
        fleet: fleet.clone(),
        hosts: BTreeMap::new(),
        unreachable: BTreeMap::new(),
        notices: BTreeMap::new(),
        rollout: Rollout::default(),
        limit: None,
        cluster: ClusterPlan::default(),
        stages,
        trials: Trials::default(),
    }
}

pub(super) fn stage(step: &str, work: Work) -> Stage {
    Stage { step: step.into(), work }
}

/// The same changes for each host.
pub(super) fn each(fleet: &Fleet, changes: impl Fn(&Host) -> Vec<Planned>) -> Work {
    let hosts =
        fleet.hosts.iter().map(|host| HostChanges { host: host.name.clone(), changes: changes(host) });
    let mut hosts: Vec<HostChanges> = hosts.filter(|host| !host.changes.is_empty()).collect();
    // As a plan has them: by name, not as the inventory has them.
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    Work::Change(hosts)
}

pub(super) fn planned(resource: Resource, action: Action, why: &str) -> Planned {
    Planned { resource, difference: Difference::new(action, why) }
}

pub(super) fn directory(path: &str) -> Planned {
    planned(Resource::Directory(Directory::parent(path)), Action::Create, "it does not exist")
}

pub(super) fn file(path: &str, text: &str, action: Action, why: &str) -> Planned {
    let content = Content::Text(text.to_owned());
    let file = File { path: path.to_owned(), content, mode: 0o644, owner: None };
    let mut planned = planned(Resource::File(file), action, why);
    let added: String = text.lines().map(|line| format!("+{line}\n")).collect();
    planned.difference.diff = Some(format!("--- {path} (now)\n+++ {path} (planned)\n@@ -0,0 +1 @@\n{added}"));
    planned
}

/// The configuration of a node, with what is its own.
pub(super) fn config(node: &Node, action: Action, why: &str) -> Planned {
    let (name, ip, port) = (node.name(), node.ip(), node.port());
    let text =
        format!("bind {ip}\nport {port}\ndir \"/var/lib/provision/demo/nodes/{name}\"\nmaxmemory 100mb\n");
    file(&format!("/etc/provision/demo/{name}/redis.conf"), &text, action, why)
}

pub(super) fn process(node: &Node, action: Action, why: &str) -> Planned {
    let process = Process {
        node: node.key,
        ip: node.ip(),
        port: node.port(),
        bus_port: node.bus_port(),
        binary: String::new(),
        config: Vec::new(),
        data: String::new(),
        log: String::new(),
        started: String::new(),
        account: None,
        unit: None,
    };
    planned(Resource::Process(process), action, why)
}

pub(super) fn command(run: &str) -> Planned {
    let command = Command { run: run.to_owned(), creates: None, unless: None };
    planned(Resource::Command(command), Action::Run, "it has no guard and will run every time")
}

/// Everything from bare hosts to a proven cluster.
pub(super) fn fresh(fleet: &Fleet) -> Plan {
    let node_folders = |node: &Node| {
        let bases = [
            "/etc/provision/demo",
            "/var/lib/provision/demo/nodes",
            "/run/provision/demo",
            "/var/log/provision/demo",
        ];
        bases.map(|base| directory(&format!("{base}/{}", node.name())))
    };
    let configure = |host: &Host| {
        let mut changes: Vec<Planned> = host.nodes.iter().flat_map(node_folders).collect();
        changes.extend(host.nodes.iter().map(|node| config(node, Action::Create, "it does not exist")));
        let unit = "/etc/systemd/system/redis-demo@.service";
        changes.push(file(unit, "[Unit]\nDescription=node %i\n", Action::Create, "it does not exist"));
        changes
    };
    let install = |_: &Host| {
        let user = User { name: "redis".to_owned(), home: None };
        let setting =
            KernelSetting { path: "/proc/sys/vm/overcommit_memory".to_owned(), value: "1".to_owned() };
        let path = "/etc/sysctl.d/10-provision-demo.conf";
        let mut changes = vec![planned(Resource::User(user), Action::Create, "it does not exist")];
        changes.extend(["/opt/provision", "/opt/provision/demo", "/etc/provision"].map(directory));
        changes.push(planned(Resource::KernelSetting(setting), Action::Update, "it is 0"));
        changes.push(file(path, "vm.overcommit_memory = 1\n", Action::Create, "it does not exist"));
        changes
    };
    let ship = |_: &Host| {
        let (engine, version) = (Engine::Redis, Version::new(7, 0, 15));
        let folder = "/opt/provision/demo/redis-7.0.15-65cc9407".to_owned();
        vec![planned(
            Resource::Binary(Binary { engine, version, folder, directives: BTreeSet::new() }),
            Action::Create,
            "it is not installed",
        )]
    };
    let start = |host: &Host| {
        host.nodes.iter().map(|node| process(node, Action::Start, "it is not running")).collect()
    };
    let others = fleet.hosts.iter().skip(1).map(|host| host.name.clone()).collect();
    let builder = Builder {
        host: fleet.hosts[0].name.clone(),
        consumers: others,
        why: "redis 7.0.15 is neither installed nor in the cache".to_owned(),
    };
    let folder = |_: &Host| vec![directory("/var/lib/provision/demo")];
    let topology = Topology::place(fleet);
    plan(
        fleet,
        vec![
            stage("build", each(fleet, folder)),
            stage("build", Work::Build(vec![builder])),
            stage("install", each(fleet, install)),
            stage("configure", each(fleet, configure)),
            stage("ship", each(fleet, ship)),
            stage("start", each(fleet, start)),
            stage("form", Work::Form { topology, why: "no node runs yet".to_owned(), whole: false }),
            stage("verify", Work::Verify),
        ],
    )
}

/// A directive was changed: every node gets it and is restarted.
pub(super) fn changed(fleet: &Fleet) -> Plan {
    let configure = |host: &Host| {
        host.nodes.iter().map(|node| config(node, Action::Update, "its content differs")).collect()
    };
    let start = |host: &Host| {
        host.nodes.iter().map(|node| process(node, Action::Restart, "its configuration changes")).collect()
    };
    let why = "see that it is whole again after the restarts".to_owned();
    plan(
        fleet,
        vec![
            stage("configure", each(fleet, configure)),
            stage("start", each(fleet, start)),
            stage("form", Work::Form { topology: Topology::place(fleet), why, whole: true }),
            stage("verify", Work::Verify),
        ],
    )
}

/// A directive was changed that running nodes take.
pub(super) fn live(fleet: &Fleet) -> Plan {
    let configure = |host: &Host| {
        host.nodes.iter().map(|node| config(node, Action::Update, "its content differs")).collect()
    };
    let why = "it takes its configuration while it runs";
    let start = |host: &Host| host.nodes.iter().map(|node| process(node, Action::Update, why)).collect();
    let set = |node: &Node| Op::Set {
        node: node.key,
        directive: "maxmemory".to_owned(),
        value: "100mb".to_owned(),
        was: "0".to_owned(),
    };
    let mut plan = plan(
        fleet,
        vec![
            stage("configure", each(fleet, configure)),
            stage("start", each(fleet, start)),
            stage("verify", Work::Verify),
        ],
    );
    plan.cluster.ops = fleet.nodes().map(set).collect();
    plan
}

/// What `destroy` does after [`fresh`].
pub(super) fn undo(fleet: &Fleet) -> Plan {
    let entries = |host: &Host| {
        let mut entries = Vec::new();
        for node in host.nodes.iter().rev() {
            let data = format!("/var/lib/provision/demo/nodes/{}", node.name());
            let (name, started) = (node.name().clone(), format!("{data}/started"));
            entries.push(Entry::StartedNode { name, data: data.clone(), started, unit: None });
            let etc = format!("/etc/provision/demo/{}", node.name());
            entries.push(Entry::CreatedFile { path: format!("{etc}/redis.conf"), sha256: None });
            entries.push(Entry::CreatedDirectory { path: etc, recursive: true });
            entries.push(Entry::CreatedDirectory { path: data, recursive: true });
        }
        entries.push(Entry::CreatedDirectory { path: "/etc/provision".to_owned(), recursive: false });
        entries.push(Entry::CreatedUser { name: "provision-redis".to_owned() });
        entries
    };
    let hosts = fleet.hosts.iter().map(|host| HostUndo { host: host.name.clone(), entries: entries(host) });
    Plan::undo(fleet, hosts.collect(), BTreeMap::new())
}

/// Without colours.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
