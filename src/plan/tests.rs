use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    testing::{Scene, facts, fleet, show},
    *,
};
use crate::{
    cluster::{
        Assessment, ClusterState, ConfigChange, Consent, Observed as ClusterObserved, OnDisk, Setting,
    },
    host::InitSystem,
    inspect::{HostObservation, Inspection},
    mutated::mutated_lines,
    resource::{Action, Entry, Layout, Resource, Script},
    units::HostName,
};

const ALL: [&str; 7] = ["build", "install", "ship", "configure", "start", "form", "verify"];

fn refused(scene: &Scene) -> String {
    scene.plan().unwrap_err().to_string()
}

/// The changes of a step on a host, as titles.
fn titles(plan: &Plan, step: &str, host: &str) -> Vec<String> {
    let stages = plan.stages.iter().filter(|stage| stage.step == step);
    let changes = stages.flat_map(|stage| stage.work.changes()).filter(|changes| changes.host == host);
    changes.flat_map(|changes| &changes.changes).map(|change| change.resource.title()).collect()
}

#[test]
fn where_all_is_as_desired_the_plan_is_empty() {
    let plan = Scene::converged(&["a", "b"]).plan().unwrap();
    assert!(plan.is_empty(), "{:?}", show(&plan));
    assert!(plan.is_whole() && plan.notices.is_empty());
    assert_eq!(plan.hosts.keys().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn bare_hosts_go_through_all_steps_in_the_order_of_the_flow() {
    let stages = Scene::bare(&["a", "b"]).stages();
    let expected = [
        "build a,b",
        "build on a",
        "install a,b",
        "ship a,b",
        "configure a,b",
        "start a,b",
        "form",
        "verify",
    ];
    assert_eq!(stages, expected);
}

#[test]
fn no_host_gives_no_stage() {
    assert!(Scene::converged(&["a"]).unreachable("a").plan().unwrap().is_empty());
}

#[test]
fn only_a_builder_installs_what_a_build_needs() {
    let plan = Scene::bare(&["a", "b"]).plan().unwrap();
    let has_package = |host| titles(&plan, "build", host).iter().any(|title| title.contains("gcc"));
    assert!(has_package("a") && !has_package("b"));
}

#[test]
fn a_missing_package_alone_is_no_reason_for_a_change() {
    let scene = Scene::converged(&["a"]).without("a", |line| line.starts_with("=package "));
    assert!(scene.plan().unwrap().is_empty());
}

#[test]
fn verify_runs_by_itself_only_where_a_tag_asks_for_it() {
    assert_eq!(Scene::converged(&["a"]).tags(&["verify"]).stages(), ["verify"]);
    assert_eq!(Scene::converged(&["a"]).tags(&["configure"]).stages(), [""; 0]);
    assert_eq!(Scene::converged(&["a"]).unformed("a slot is free").stages(), ["form", "verify"]);
}

#[test]
fn tags_select_steps_by_name_and_by_tag() {
    let own =
        "[[step]]\nname = \"motd\"\nfile = { path = \"/etc/motd\", content = \"hi\" }\ntags = [\"extra\"]\n";
    let bare =
        || Scene::converged_with(&["a"], own).without_file("a", "/motd").without_file("a", "redis.conf");
    for tag in ["motd", "extra"] {
        assert_eq!(bare().tags(&[tag]).stages(), ["motd a"]);
    }
    assert_eq!(bare().tags(&["configure", "extra"]).stages(), ["configure a", "motd a"]);
    assert_eq!(bare().tags(&["install"]).stages(), [""; 0]);
}

#[test]
fn the_limit_leaves_other_hosts_and_with_them_the_cluster() {
    // b is not ready: a cluster with it is neither formed nor verified.
    let stages = Scene::bare(&["a", "b"]).limit(&["a"]).stages();
    assert_eq!(stages, ["build a", "build on a", "install a", "ship a", "configure a", "start a"]);
    let ready = Scene::converged(&["a", "b"]).without_file("a", "sysctl.d/10-provision-orders.conf");
    assert_eq!(ready.limit(&["a"]).stages(), ["install a", "verify"]);
}

#[test]
fn an_unreachable_host_keeps_the_cluster_as_it_is() {
    let plan = Scene::bare(&["a", "b", "c"]).unreachable("c").plan().unwrap();
    assert!(show(&plan).iter().all(|stage| stage != "form" && stage != "verify"), "{:?}", show(&plan));
    assert_eq!(show(&plan).last().map(String::as_str), Some("start a,b"));
    assert_eq!(plan.unreachable["c"], "c: no route to host");
    assert!(!plan.hosts.contains_key("c"));
}

#[test]
fn a_changed_configuration_restarts_the_nodes_in_the_same_plan_and_sees_to_the_cluster() {
    let plan = Scene::converged(&["a", "b"]).without_file("a", "7002/redis.conf").plan().unwrap();
    assert_eq!(show(&plan), ["configure a", "start a", "form", "verify"]);
    let restarts = &plan.stages[1].work.changes()[0].changes;
    let nodes: Vec<String> = restarts.iter().map(|change| change.resource.title()).collect();
    assert!(nodes.len() == 1 && nodes[0].contains("7002"), "{nodes:?}");
    assert_eq!(restarts[0].difference.action, Action::Restart);
    assert!(plan.is_whole(), "nothing was missing when it was made");
}

/// A configuration that differs in these directives, with the values that a running node takes.
fn differs(file_differs: bool, live: &[(&str, &str)], at_start: &[&str]) -> ConfigChange {
    let setting = |(directive, value): &(&str, &str)| Setting {
        directive: (*directive).to_owned(),
        value: (*value).to_owned(),
        was: "other".to_owned(),
    };
    let at_start = at_start.iter().map(|&name| name.to_owned()).collect();
    ConfigChange { file_differs, live: live.iter().map(setting).collect(), at_start, lowered: None }
}

/// What happens to the node of the only process that changes, and what is set live.
fn of_the_node(plan: &Plan) -> (Option<(Action, String)>, Vec<String>) {
    let changes = plan.stages.iter().flat_map(|stage| stage.work.changes()).flat_map(|host| &host.changes);
    let mut nodes = changes.filter(|change| matches!(change.resource, Resource::Process(_)));
    let node = nodes.next().map(|change| (change.difference.action, change.difference.why.clone()));
    assert!(nodes.next().is_none());
    (node, plan.cluster.ops.iter().map(ToString::to_string).collect())
}

/// 7002 on the only host.
const NODE: &str = "a/7002@10.0.0.1:7002@17002";

#[test]
fn what_a_running_node_takes_is_set_live_and_nothing_restarts() {
    let edited = || Scene::converged(&["a"]).without_file("a", "7002/redis.conf");
    let live = differs(true, &[("maxmemory", "1gb")], &[]);
    let plan = edited().configured(NODE, live.clone()).plan().unwrap();
    assert_eq!(show(&plan), ["configure a", "start a", "verify"]);
    let (node, ops) = of_the_node(&plan);
    assert_eq!(node.unwrap().0, Action::Update);
    assert_eq!(ops, ["10.0.0.1:7002: maxmemory other → 1gb, live"]);
    assert!(!plan.cluster.is_of_members(), "a value alone says nothing of members");

    // Without the step that writes the file, or the one that is about the node, nothing is set.
    for tag in ["start", "configure"] {
        let plan = edited().configured(NODE, live.clone()).tags(&[tag]).plan().unwrap();
        assert_eq!(of_the_node(&plan), (None, vec![]), "{tag}");
    }
}

#[test]
fn a_file_that_differs_in_its_comments_restarts_nothing() {
    let scene = Scene::converged(&["a"]).without_file("a", "7002/redis.conf");
    let (node, ops) = of_the_node(&scene.configured(NODE, differs(true, &[], &[])).plan().unwrap());
    assert_eq!((node.unwrap().0, ops), (Action::Update, vec![]));
}

#[test]
fn drift_alone_is_a_change_and_is_put_back_live() {
    let drift = differs(false, &[("appendonly", "yes")], &[]);
    let plan = Scene::converged(&["a"]).configured(NODE, drift.clone()).plan().unwrap();
    assert_eq!(show(&plan), ["start a", "verify"]);
    assert_eq!(of_the_node(&plan).1, ["10.0.0.1:7002: appendonly other → yes, live"]);
    assert!(Scene::converged(&["a", "b"]).configured(NODE, drift).limit(&["b"]).plan().unwrap().is_empty());
}

#[test]
fn one_directive_that_a_start_reads_restarts_the_node_and_is_named() {
    let scene = || Scene::converged(&["a"]).without_file("a", "7002/redis.conf");
    let mixed = differs(true, &[("appendonly", "yes"), ("maxmemory", "1gb")], &["databases", "io-threads"]);
    let (node, ops) = of_the_node(&scene().configured(NODE, mixed).plan().unwrap());
    assert_eq!(node, Some((Action::Restart, "databases, io-threads are read at a start only".to_owned())));
    assert_eq!(ops, ["10.0.0.1:7002: appendonly other → yes, live"], "the start is to find an AOF");
}

#[test]
fn a_node_that_must_restart_anyway_is_set_nothing() {
    let live = || differs(true, &[("maxmemory", "1gb")], &[]);
    let is_node = |line: &str| line.starts_with("=node 7002 ");
    for said in ["=node 7002 1 stale installed", "=node 7002 1 current other"] {
        let scene = Scene::converged(&["a"]).without_file("a", "7002/redis.conf").without("a", is_node);
        let (node, ops) = of_the_node(&scene.with("a", said).configured(NODE, live()).plan().unwrap());
        assert_eq!((node.unwrap().0, ops), (Action::Restart, vec![]), "{said}");
    }
}

/// What happens to each node of the only host, by the action and why.
fn of_all_nodes(scene: &Scene) -> Vec<(Action, String)> {
    let plan = scene.plan().unwrap();
    let changes = plan.stages.iter().flat_map(|stage| stage.work.changes()).flat_map(|host| &host.changes);
    let nodes = changes.filter(|change| matches!(change.resource, Resource::Process(_)));
    nodes.map(|change| (change.difference.action, change.difference.why.clone())).collect()
}

#[test]
fn how_nodes_are_stopped_changes_without_a_restart() {
    let older = |text: &str| text.replace("SendSIGKILL=no\n", "").replace("StopSec=0", "StopSec=300");
    let scene = || Scene::converged(&["a"]).with_unit("a", older);
    let goes_on = (Action::Update, "systemd reads its unit again, and it goes on".to_owned());
    assert_eq!(of_all_nodes(&scene()), vec![goes_on.clone(); 3]);
    assert_eq!(show(&scene().plan().unwrap()), ["configure a", "start a", "verify"]);
    let is_node = |line: &str| line.starts_with("=node 7002 ");
    let stale = scene().without("a", is_node).with("a", "=node 7002 1 stale installed");
    assert_eq!(of_all_nodes(&stale)[1].0, Action::Restart, "what it was started with is not known");

    let live = differs(true, &[("maxmemory", "1gb")], &[]);
    let both = scene().without_file("a", "7002/redis.conf").configured(NODE, live);
    let why = "it takes its configuration while it runs".to_owned();
    assert_eq!(of_all_nodes(&both), [goes_on.clone(), (Action::Update, why), goes_on]);
    let other = Scene::converged(&["a"]).with_unit("a", |text| older(text).replace("65536", "4096"));
    assert!(of_all_nodes(&other).iter().all(|(action, _)| *action == Action::Restart));
}

#[test]
fn restarts_bring_forming_along_whatever_the_tags_say() {
    let scene = |tags: &[&str]| Scene::converged(&["a"]).without_file("a", "7001/redis.conf").tags(tags);
    assert_eq!(scene(&["configure", "start"]).stages(), ["configure a", "start a", "form"]);
    // Without `start` nothing is restarted, and what is missing in the cluster stays.
    assert_eq!(scene(&["configure"]).unformed("a slot is free").stages(), ["configure a"]);
    let plan = scene(&["configure", "start"]).unformed("a slot is free").plan().unwrap();
    assert!(!plan.is_whole());
}

#[test]
fn a_command_without_a_guard_runs_every_time_and_does_not_hold_up_the_cluster() {
    let own = "[[step]]\nname = \"date\"\ncommand = { run = \"date\" }\nafter = \"start\"\n";
    assert_eq!(Scene::converged_with(&["a", "b"], own).stages(), ["date a,b", "verify"]);
    // b is out of the limit and as desired, but for the command.
    assert_eq!(Scene::converged_with(&["a", "b"], own).limit(&["a"]).stages(), ["date a", "verify"]);
}

#[test]
fn a_binary_no_step_compiles_is_refused() {
    let error = refused(&Scene::bare(&["a", "b"]).tags(&["ship"]));
    assert!(error.starts_with("a: redis 7.0.15 in /opt/provision/orders"), "{error}");
    assert_eq!(
        Scene::bare(&["a", "b"]).tags(&["build", "ship"]).stages(),
        ["build a,b", "build on a", "ship a,b"]
    );
    // In the cache there is one: no builder, and it is shipped.
    let cached = Scene::converged(&["a"]).without("a", |line| line.starts_with("=must "));
    assert_eq!(cached.tags(&["ship"]).stages(), ["ship a"]);
}

#[test]
fn a_taken_port_is_refused_where_the_node_would_be_started() {
    let scene = || Scene::converged(&["a", "b"]).with_port_taken("b", "7003");
    assert_eq!(refused(&scene()), "b: port 7003 of node 7003 is taken by nginx (pid 412)");
    assert!(scene().tags(&["configure"]).plan().is_ok(), "the step that starts nodes is not selected");
    assert!(scene().limit(&["a"]).plan().is_ok(), "the host is not in the limit");
}

#[test]
fn a_path_in_the_way_is_refused() {
    let conf = "/etc/provision/orders/7001/redis.conf";
    let error = refused(&Scene::converged(&["a"]).with_path("a", "directory", conf));
    assert_eq!(error, format!("a: {conf} must be a file, and a directory stands there"));
    let error = refused(&Scene::converged(&["a"]).with_path("a", "symbolic link", conf));
    assert!(error.ends_with("and a symbolic link stands there"), "{error}");
    let data = "/var/lib/provision/orders/nodes";
    let error = refused(&Scene::converged(&["a"]).with_path("a", "symbolic link", data));
    assert_eq!(error, format!("a: {data} must be a directory, and a symbolic link stands there"));
}

#[test]
fn a_link_above_our_folders_is_the_administrators_decision() {
    assert!(Scene::converged(&["a"]).with_path("a", "symbolic link", "/opt").plan().unwrap().is_empty());
}

#[test]
fn a_unit_needs_systemd() {
    let mut scene = Scene::converged_with(&["a"], "[[step]]\nname = \"time\"\nunit = \"chrony.service\"\n");
    assert!(scene.plan().unwrap().is_empty());
    scene.hosts.get_mut("a").unwrap().init = InitSystem::Other;
    assert!(refused(&scene).starts_with("a: unit chrony.service needs systemd"));
}

#[test]
fn packages_need_a_known_distribution() {
    let mut scene =
        Scene::converged_with(&["a"], "[[step]]\nname = \"tools\"\npackage = [\"jq\", \"dig\"]\n");
    for step in &mut scene.hosts.get_mut("a").unwrap().desired {
        for resource in &mut step.resources {
            if let (Resource::Package(package), "tools") = (resource, step.step.as_str()) {
                package.distro.clear();
            }
        }
    }
    let error = refused(&scene);
    assert!(error.starts_with("a: no package manager is known") && error.ends_with("jq, dig"), "{error}");
}

#[test]
fn what_no_run_can_change_is_a_notice_with_all_its_hosts() {
    let mut scene = Scene::converged(&["a", "b", "c"]);
    for host in ["a", "c"] {
        scene = scene.with_setting(host, "/proc/sys/vm/overcommit_memory", "ro 0");
    }
    let plan = scene.plan().unwrap();
    assert!(plan.is_empty());
    let [(notice, hosts)] = &plan.notices.iter().collect::<Vec<_>>()[..] else {
        panic!("{:?}", plan.notices)
    };
    assert!(notice.contains("vm.overcommit_memory is 0"), "{notice}");
    assert_eq!(hosts.iter().collect::<Vec<_>>(), ["a", "c"]);
}

fn groups(plan: &Plan) -> Vec<String> {
    let steps = |stages: &[Stage]| stages.iter().map(|s| s.step.clone()).collect::<Vec<_>>().join(" ");
    plan.between_barriers().map(steps).collect()
}

#[test]
fn hosts_meet_only_where_the_work_needs_it() {
    let plan = Scene::bare(&["a", "b"]).plan().unwrap();
    assert_eq!(groups(&plan), ["build build install ship configure start", "form verify"]);
    // A host of a later batch cannot wait for a builder that has yet to begin.
    let plan = Scene::bare(&["a", "b"]).rollout(Some(1), 0).plan().unwrap();
    assert_eq!(groups(&plan), ["build build", "install ship configure start", "form verify"]);
}

#[test]
fn restarts_are_the_last_thing_before_a_barrier() {
    let own =
        "[[step]]\nname = \"motd\"\nfile = { path = \"/etc/motd\", content = \"hi\" }\nafter = \"start\"\n";
    let scene = Scene::converged_with(&["a"], own).without_file("a", "/motd");
    let plan = scene.without_file("a", "7001/redis.conf").plan().unwrap();
    assert_eq!(groups(&plan), ["configure start", "motd", "form verify"]);
}

#[test]
fn a_restart_is_no_start() {
    let starts = |plan: &Plan| {
        plan.stages.iter().flat_map(|stage| stage.work.changes()).any(HostChanges::starts_nodes)
    };
    assert!(starts(&Scene::bare(&["a"]).plan().unwrap()));
    assert!(!starts(&Scene::converged(&["a"]).without_file("a", "7001/redis.conf").plan().unwrap()));
}

#[test]
fn a_plan_that_undoes_has_one_stage_or_none() {
    let entry = Entry::CreatedFile { path: "/etc/motd".to_owned(), sha256: None };
    let undo =
        |entries| Plan::undo(&fleet(&["a"]), vec![HostUndo { host: "a".into(), entries }], BTreeMap::new());
    assert_eq!(show(&undo(vec![entry])), ["undo"]);
    assert!(undo(Vec::new()).is_empty());
}

#[test]
fn equal_inputs_give_equal_plans_and_a_saved_plan_is_the_same_plan() {
    let scene = || Scene::bare(&["a", "b"]).rollout(Some(2), 1).limit(&["a", "b"]);
    let plan = scene().plan().unwrap();
    assert_eq!(plan, scene().plan().unwrap());
    let saved = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&saved).unwrap(), plan);
    assert_eq!(plan.rollout, Rollout { serial: Some(2), max_failures: 1 });
}

#[test]
fn the_baseline_of_a_host_moves_with_what_was_observed_but_for_process_ids() {
    let scene = || Scene::converged(&["a"]);
    let fingerprint = |scene: Scene| scene.snapshot("a").baseline().fingerprint;
    let same = fingerprint(scene());
    let is_node = |line: &str| line.starts_with("=node 7001 ");
    let restarted = scene().without("a", is_node).with("a", "=node 7001 77 current installed");
    assert_eq!(fingerprint(restarted), same);
    assert_ne!(fingerprint(scene().without("a", is_node)), same);
    assert_ne!(fingerprint(scene().without("a", |line| line.starts_with("=user "))), same);
}

/// An inspection in which these hosts lack the binary.
fn inspection(hosts: &[&str], lacking: &[&str], state: ClusterState) -> Inspection<Vec<Desired>> {
    let scene = Scene::converged(hosts);
    let observation = |(name, host): (HostName, HostSnapshot)| {
        let missing_binary = lacking.contains(&name.as_str());
        let HostSnapshot { desired, observed, .. } = host;
        (name, HostObservation { desired, observed, facts: facts(), missing_binary })
    };
    Inspection {
        hosts: scene.hosts.into_iter().map(observation).collect(),
        cluster: ClusterObserved::default(),
        on_disk: OnDisk::default(),
        assessment: Assessment {
            state,
            refusal: None,
            findings: Vec::new(),
            converging: false,
            ops: Vec::new(),
            starts: BTreeMap::new(),
            config: BTreeMap::new(),
        },
        consent: Consent::default(),
        unreachable: BTreeMap::new(),
        lost: BTreeMap::new(),
    }
}

#[test]
fn hosts_that_lack_the_binary_get_a_builder_within_the_limit() {
    let (fleet, all) = (fleet(&["a", "b", "c"]), PlanOptions::default());
    let input = PlanInput::new(&fleet, inspection(&["a", "b", "c"], &["b", "c"], ClusterState::Formed), &all);
    assert_eq!((&*input.builders[0].host, &*input.builders[0].consumers), ("b", &["c".into()][..]));
    assert!(input.form.is_none() && input.hosts.len() == 3);
    let limited = PlanOptions { limit: Some(["c".into()].into()), ..all };
    let inspection = inspection(&["a", "b", "c"], &["b", "c"], ClusterState::Formed);
    let input = PlanInput::new(&fleet, inspection, &limited);
    assert_eq!((input.builders.len(), &*input.builders[0].host), (1, "c"));
}

#[test]
fn what_forming_has_to_do_is_the_state_of_the_cluster() {
    let (fleet, options) = (fleet(&["a"]), PlanOptions::default());
    let state = ClusterState::Unformed { no_process_running: true };
    let input = PlanInput::new(&fleet, inspection(&["a"], &[], state.clone()), &options);
    assert_eq!(input.form, Some(state.to_string()));
    assert!(input.builders.is_empty());
}

#[test]
fn the_flow_has_the_built_in_steps() {
    let scene = Scene::converged(&["a"]);
    let steps: Vec<&str> = scene.hosts["a"].desired.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(steps, ALL);
}

#[test]
fn the_files_that_hold_keys_keep_their_names() {
    let path = "/etc/provision/orders/7001/redis.conf";
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "port 7001\ndbfilename keys.rdb\n");
    let scene = Scene::converged(&["a"])
        .without("a", |line| line.starts_with("=sum ") && line.ends_with(path))
        .with("a", format!("=sum abc  {path}"))
        .with("a", format!("=text {text} {path}"));
    let error = scene.plan().unwrap_err();
    assert!(matches!(error, Error::RenamedData { directive: "dbfilename", .. }), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_host_answers_there_is_a_plan_or_an_error(
        lines in mutated_lines(&Scene::converged(&["a"]).output("a")),
    ) {
        let scene = Scene::converged(&["a"]).with_output("a", lines);
        if let Ok(plan) = scene.plan() {
            let layout = Layout::new(&scene.fleet, &facts());
            let changes = plan.stages.iter().flat_map(|stage| stage.work.changes());
            for planned in changes.flat_map(|host| &host.changes) {
                let mut script = Script::new(&layout);
                planned.resource.check(&mut script);
                planned.resource.change(&planned.difference, &mut script);
                prop_assert!(script.text().is_ok());
            }
        }
    }
}
