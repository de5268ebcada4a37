use insta::assert_snapshot;

use super::*;
use crate::report::samples::{
    self, changed, command, config, each, fleet, fleet_of, fresh, live, plain, plan, process, stage, undo,
};

/// How many lines fit on the screen of a laptop above a prompt.
const SCREEN: usize = 45;

fn brief(plan: &Plan) -> String {
    plain(&plan.text(Detail::Brief))
}

#[test]
fn a_fresh_plan_of_one_host() {
    let text = brief(&fresh(&fleet(1)));
    assert!(text.lines().count() <= SCREEN, "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_fresh_plan_of_six_hosts() {
    let text = brief(&fresh(&fleet(6)));
    assert!(text.lines().count() <= SCREEN, "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_fresh_plan_of_96_hosts() {
    let text = brief(&fresh(&fleet(96)));
    assert!(text.lines().count() <= SCREEN, "{text}");
    assert_snapshot!(text);
}

#[test]
fn a_fresh_plan_with_every_diff() {
    assert_snapshot!(plain(&fresh(&fleet(6)).text(Detail::Full)));
}

#[test]
fn restarts_stand_last() {
    let text = brief(&changed(&fleet(6)));
    assert_snapshot!(text);
    assert!(text.trim_end().ends_with("(its configuration changes)"), "{text}");
}

#[test]
fn restarts_of_96_hosts_and_one_host() {
    assert!(brief(&changed(&fleet(96))).lines().count() <= SCREEN);
    assert_snapshot!(brief(&changed(&fleet(1))));
}

#[test]
fn live_changes_of_96_hosts_are_one_line_a_directive() {
    let text = brief(&live(&fleet(96)));
    assert!(text.lines().count() <= SCREEN, "{text}");
    assert_snapshot!(text);
}

#[test]
fn destroying_six_hosts() {
    let text = brief(&undo(&fleet(6)));
    assert!(text.lines().count() <= SCREEN, "{text}");
    assert_snapshot!(text);
}

#[test]
fn destroying_one_host() {
    assert_snapshot!(brief(&undo(&fleet(1))));
}

#[test]
fn hosts_that_cannot_be_reached() {
    let fleet = fleet(6);
    let mut plan = changed(&fleet);
    for stage in &mut plan.stages {
        if let Work::Change(hosts) = &mut stage.work {
            hosts.truncate(3);
        }
    }
    plan.stages.truncate(2);
    for (host, address) in [("n4", "10.77.0.14"), ("n5", "10.77.0.15")] {
        plan.unreachable.insert(host.into(), format!("{host}: no TCP connection to {address}:22"));
    }
    plan.unreachable.insert("n6".into(), "n6: authentication failed".to_owned());
    assert_snapshot!(brief(&plan));
    let mut undo = undo(&fleet);
    for stage in &mut undo.stages {
        if let Work::Undo(hosts) = &mut stage.work {
            hosts.truncate(3);
        }
    }
    undo.unreachable = plan.unreachable.clone();
    assert_snapshot!("hosts_that_cannot_be_reached_by_destroy", brief(&undo));
}

#[test]
fn an_empty_plan() {
    assert_snapshot!(brief(&plan(&fleet(6), Vec::new())));
}

#[test]
fn notices_and_commands() {
    let fleet = fleet_of(&["web", "db", "cache", "queue", "spare", "last"]);
    let hosts = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let mut plan = plan(&fleet, vec![stage("always", each(&fleet, |_| vec![command("echo hello")]))]);
    plan.notices.insert("vm.overcommit_memory is 0 and should be 1".to_owned(), hosts);
    assert_snapshot!(brief(&plan));
}

#[test]
fn a_change_of_one_host_alone_is_seen() {
    let fleet = fleet(6);
    let only = each(&fleet, |host| {
        let why = "its content differs";
        let nodes = host.nodes.iter().filter(|_| host.name == "n3");
        nodes.map(|node| config(node, Action::Update, why)).collect()
    });
    assert_snapshot!(brief(&plan(&fleet, vec![stage("configure", only)])));
}

#[test]
fn a_directive_of_one_host_alone_is_a_diff_of_its_own() {
    let fleet = fleet(6);
    let work = each(&fleet, |host| {
        let limit = if host.name == "n3" { "200mb" } else { "100mb" };
        let text = format!("bind {}\nmaxmemory {limit}\n", host.nodes[0].ip());
        vec![samples::file(
            "/etc/provision/demo/7001/redis.conf",
            &text,
            Action::Update,
            "its content differs",
        )]
    });
    let text = brief(&plan(&fleet, vec![stage("configure", work)]));
    assert!(text.contains("n1, n2, n4…n6: file") && text.contains("n3: file"), "{text}");
    assert!(text.contains("+maxmemory 200mb") && text.contains("+maxmemory 100mb"), "{text}");
}

#[test]
fn the_json_of_a_plan_has_every_host() {
    let plan = fresh(&fleet(96));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    assert!((1..=96).all(|n| json.contains(&format!("\"n{n}\""))));
}

#[test]
fn counts_count_every_change_of_every_host() {
    let text = brief(&fresh(&fleet(96)));
    let counts = format!("{} to create, 96 to update, 96 to start or restart, one build", 13 * 96);
    assert!(text.contains(&counts), "{text}");
    let restarts = brief(&changed(&fleet(96)));
    assert!(restarts.contains("96 to update, 96 to start or restart."), "{restarts}");
}

#[test]
fn starting_is_no_restart() {
    let fleet = fleet(6);
    let start = each(&fleet, |host| vec![process(&host.nodes[0], Action::Start, "it is not running")]);
    let text = brief(&plan(&fleet, vec![stage("start", start)]));
    assert!(!text.contains("Restarted"), "{text}");
    assert!(text.contains("n1…n6: node 7001 (it is not running)"), "{text}");
}
