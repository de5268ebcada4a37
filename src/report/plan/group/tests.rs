use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::{
    inventory::{Fold, parse},
    report::samples::{fleet, fleet_of},
    units::HostName,
};

fn item(host: &str, subject: &str) -> Item {
    Item {
        host: host.into(),
        action: Some(Action::Create),
        noun: "file",
        subject: subject.to_owned(),
        why: "it does not exist".to_owned(),
        diff: None,
    }
}

fn with_diff(host: &str, subject: &str, diff: &str) -> Item {
    Item { diff: Some(diff.to_owned()), ..item(host, subject) }
}

/// All that a group stands for.
fn members(groups: &[Group]) -> Vec<(HostName, String, String)> {
    let mut members = Vec::new();
    for group in groups {
        for host in &group.hosts {
            let subjects = group.subjects().into_iter();
            members.extend(subjects.map(|subject| (host.clone(), subject, group.first.why.clone())));
        }
    }
    members.sort();
    members
}

#[test]
fn the_same_file_on_all_hosts_is_one_line() {
    let fleet = fleet(6);
    let groups = group(fleet.hosts.iter().map(|host| item(&host.name, "/etc/motd")).collect(), &fleet);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].hosts, ["n1", "n2", "n3", "n4", "n5", "n6"]);
    assert_eq!(groups[0].subject(), "/etc/motd");
}

#[test]
fn hosts_stand_in_the_order_of_the_inventory() {
    let fleet = fleet_of(&["web", "db", "cache", "n10", "n9", "x"]);
    let hosts = ["n10", "n9", "cache", "db", "web"];
    let groups = group(hosts.map(|host| item(host, "/etc/motd")).to_vec(), &fleet);
    assert_eq!(groups[0].hosts, ["web", "db", "cache", "n10", "n9"]);
    assert_eq!(groups[0].first.host, "web");
}

#[test]
fn the_nodes_of_a_host_are_one_line() {
    let fleet = fleet(1);
    let paths = (7001..=7006).map(|node| item("n1", &format!("/etc/provision/demo/{node}/redis.conf")));
    let groups = group(paths.collect(), &fleet);
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].subject(), "/etc/provision/demo/7001…7006/redis.conf");
    assert_eq!(groups[0].nodes.len(), 6);
}

#[test]
fn nodes_with_a_gap_stand_in_braces() {
    let fleet = fleet(1);
    let paths = [7001, 7003].map(|node| item("n1", &format!("/etc/{node}/redis.conf")));
    assert_eq!(group(paths.to_vec(), &fleet)[0].subject(), "/etc/{7001, 7003}/redis.conf");
}

#[test]
fn a_number_inside_a_word_is_no_node() {
    let fleet = fleet(1);
    let paths = ["/srv/a7001", "/srv/70012"].map(|path| item("n1", path));
    let groups = group(paths.to_vec(), &fleet);
    assert_eq!(groups.iter().map(Group::subject).collect::<Vec<_>>(), ["/srv/a7001", "/srv/70012"]);
}

#[test]
fn hosts_with_other_nodes_have_a_line_of_their_own() {
    let fleet = fleet(1);
    let mut two = fleet.clone();
    two.hosts.push(Host { name: "n2".into(), ..fleet.hosts[0].clone() });
    let mut items: Vec<Item> = (7001..=7006).map(|node| item("n1", &format!("/etc/{node}"))).collect();
    items.extend((7001..=7005).map(|node| item("n2", &format!("/etc/{node}"))));
    let groups = group(items, &two);
    assert_eq!(groups.iter().map(Group::subject).collect::<Vec<_>>(), ["/etc/7001…7006", "/etc/7001…7005"]);
}

#[test]
fn reasons_and_actions_keep_lines_apart() {
    let fleet = fleet(6);
    let why = Item { why: "its content differs".to_owned(), ..item("n2", "/a") };
    let action = Item { action: Some(Action::Update), ..item("n3", "/a") };
    assert_eq!(group(vec![item("n1", "/a"), why, action], &fleet).len(), 3);
}

#[test]
fn diffs_that_differ_in_the_hosts_own_address_are_one() {
    let fleet = fleet(6);
    let items = ["n1", "n2"].map(|host| {
        let own = fleet.hosts.iter().find(|other| other.name == host).unwrap().nodes[0].ip();
        with_diff(host, "/etc/provision/demo/7001/redis.conf", &format!("+bind {own}\n+name {host}\n"))
    });
    let groups = group(items.to_vec(), &fleet);
    assert_eq!(groups.len(), 1);
    assert!(groups[0].varies);
}

#[test]
fn diffs_that_differ_otherwise_are_two() {
    let fleet = fleet(6);
    let items = ["+maxmemory 100mb", "+maxmemory 200mb"];
    let items = [with_diff("n1", "/a", items[0]), with_diff("n2", "/a", items[1])];
    assert_eq!(group(items.to_vec(), &fleet).len(), 2);
    // The address of another host is not its own.
    let items = ["n1", "n2"].map(|host| with_diff(host, "/a", &format!("+peer of {host}: 10.77.0.11")));
    assert_eq!(group(items.to_vec(), &fleet).len(), 2);
}

#[test]
fn equal_diffs_do_not_vary() {
    let fleet = fleet(6);
    let groups = group(["n1", "n2"].map(|host| with_diff(host, "/a", "+x")).to_vec(), &fleet);
    assert!(groups.len() == 1 && !groups[0].varies);
}

#[test]
fn words_are_replaced_only_where_they_are_whole() {
    assert_eq!(replace_word("10.0.0.1 10.0.0.11 110.0.0.1", "10.0.0.1", "X"), "X 10.0.0.11 110.0.0.1");
    assert_eq!(replace_word("port 7001, 17001 /7001/", "7001", "X"), "port X, 17001 /X/");
    assert_eq!(replace_word("abc", "", "X"), "abc");
}

static THREE_NODES_EACH: LazyLock<Fleet> = LazyLock::new(|| {
    let host = |n| format!("[[hosts]]\nname = \"n{n}\"\naddress = \"10.77.0.{}\"\nnodes = 3\n", n + 10);
    let hosts: String = (1..=6).map(host).collect();
    let text = format!("[cluster]\nname = \"demo\"\nversion = \"7.0.15\"\nport = 7001\n{hosts}");
    parse("x", &text, Fold::AsWritten).unwrap()
});

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let host = (1..=6usize).prop_map(|number| format!("n{number}"));
    let subject = prop_oneof![
        Just("/etc/motd".to_owned()),
        (7001..=7003u16).prop_map(|node| format!("/etc/{node}/redis.conf")),
        (7001..=7003u16).prop_map(|node| format!("{node}")),
    ];
    let why = prop_oneof![Just("it does not exist"), Just("its content differs")];
    let diff = prop::option::of(prop_oneof![
        Just("+a".to_owned()),
        (11..14u8).prop_map(|n| format!("+bind 10.77.0.{n}"))
    ]);
    let item = (host, subject, why, diff).prop_map(|(host, subject, why, diff)| Item {
        why: why.to_owned(),
        diff,
        ..item(&host, &subject)
    });
    prop::collection::vec(item, 0..60)
}

proptest! {
    /// Hosts with three nodes each: every host with every change is in exactly one group, as often as it was
    /// put in.
    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(items in any_items()) {
        let mut before: Vec<_> =
            items.iter().map(|item| (item.host.clone(), item.subject.clone(), item.why.clone())).collect();
        before.sort();
        let groups = group(items, &THREE_NODES_EACH);
        prop_assert_eq!(members(&groups), before);
        for group in &groups {
            let mut hosts = group.hosts.clone();
            hosts.sort();
            hosts.dedup();
            prop_assert_eq!(hosts.len(), group.hosts.len(), "a host is in a line once");
        }
    }

    #[test]
    fn the_order_in_which_hosts_answer_does_not_matter(
        items in any_items(), turn in 0..60usize
    ) {
        let mut hosts: Vec<Vec<Item>> = THREE_NODES_EACH
            .hosts
            .iter()
            .map(|host| items.iter().filter(|item| item.host == host.name).cloned().collect())
            .collect();
        let before = group(hosts.concat(), &THREE_NODES_EACH);
        let turn = turn % hosts.len();
        hosts.rotate_left(turn);
        prop_assert_eq!(group(hosts.concat(), &THREE_NODES_EACH), before);
    }
}
