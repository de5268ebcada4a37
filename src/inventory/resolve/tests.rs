//! What an inventory means: defaults, and what follows from them. Mistakes are in `tests/malformed`.

use std::net::SocketAddr;

use crate::{
    inventory::{Address, Engine, Fleet, Fold, Node, parse},
    secret::SecretSource,
};

const CLUSTER: &str = "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\n";

fn fleet(text: &str, fold: Fold) -> Fleet {
    let parsed = parse("/p/inventory.toml", text, fold);
    parsed.unwrap_or_else(|error| panic!("{:?}", miette::Report::new(error)))
}

fn messages(text: &str) -> Vec<String> {
    let error = parse("/p/inventory.toml", text, Fold::AsWritten).unwrap_err();
    error.problems().iter().map(ToString::to_string).collect()
}

fn hosts(count: u8) -> String {
    let host = |n| format!("[[hosts]]\nname = \"h{n}\"\naddress = \"10.0.0.{n}\"\n");
    (1..=count).map(host).collect()
}

fn addresses(fleet: &Fleet) -> Vec<String> {
    fleet.nodes().map(|node| node.key.to_string()).collect()
}

#[test]
fn a_host_alone_carries_the_smallest_cluster() {
    for (replicas, nodes) in [("", 6), ("replicas = 0\n", 3), ("replicas = 2\n", 9)] {
        let text = format!("{CLUSTER}{replicas}[[hosts]]\nname = \"h\"\naddress = \"local\"\n");
        let fleet = fleet(&text, Fold::AsWritten);
        assert_eq!((fleet.nodes().count(), fleet.masters()), (nodes, 3), "{replicas}");
        assert_eq!(addresses(&fleet)[..2], ["127.0.0.1:7001", "127.0.0.1:7002"]);
    }
}

#[test]
fn several_hosts_carry_a_node_each() {
    let fleet = fleet(&format!("{CLUSTER}port = 6379\n{}", hosts(6)), Fold::AsWritten);
    assert_eq!(addresses(&fleet)[5], "10.0.0.6:6379");
    assert_eq!((fleet.engine, fleet.replicas), (Engine::Redis, 1));
}

#[test]
fn a_cluster_that_others_reach_has_a_password_unless_the_inventory_says_no() {
    let auth = |line: &str, hosts: &str, fold| fleet(&format!("{CLUSTER}{line}{hosts}"), fold).auth;
    let local = "[[hosts]]\nname = \"h\"\naddress = \"local\"\n";
    let generated = Some(SecretSource::Generate("/p/inventory.auth".into()));
    assert_eq!(auth("", &hosts(6), Fold::AsWritten), generated);
    assert_eq!(auth("", &hosts(6), Fold::SingleHost), None, "only this machine reaches it");
    assert_eq!(auth("", local, Fold::AsWritten), None);
    assert_eq!(auth("auth = \"none\"\n", &hosts(6), Fold::AsWritten), None);
    assert_eq!(auth("auth = \"generate\"\n", local, Fold::AsWritten), generated);
    let file = auth("auth = { file = \"secrets/x\" }\n", local, Fold::AsWritten);
    assert_eq!(file, Some(SecretSource::File("/p/secrets/x".into())));
}

#[test]
fn folding_keeps_the_nodes_and_their_directives_on_consecutive_ports() {
    let own = "[hosts.config]\nmaxmemory = \"1gb\"\n";
    let fleet = fleet(&format!("{CLUSTER}port = 7001\n{}{own}", hosts(6)), Fold::SingleHost);
    assert_eq!(fleet.hosts.len(), 1);
    assert_eq!(fleet.hosts[0].address, Address::Local);
    let ports: Vec<u16> = fleet.nodes().map(Node::port).collect();
    assert_eq!(ports, (7001..=7006).collect::<Vec<_>>());
    let limited: Vec<bool> = fleet.nodes().map(|node| node.config.contains_key("maxmemory")).collect();
    assert_eq!(limited, [false, false, false, false, false, true], "the last host has set it");
    assert!(fleet.nodes().all(|node| node.host() == "localhost" && *node.name() == *node.port().to_string()));
}

#[test]
fn simulated_addresses_share_a_port_and_have_names_for_files() {
    let nodes = "nodes = { ips = [\"127.0.1.1-3\", \"127.0.2.1-3\"], port = 6379 }\n";
    let text = format!("{CLUSTER}[[hosts]]\nname = \"h\"\naddress = \"local\"\n{nodes}");
    let fleet = fleet(&text, Fold::AsWritten);
    let nodes: Vec<_> = fleet.nodes().collect();
    assert_eq!(nodes.len(), 6);
    assert_eq!(nodes[3].listen.client, SocketAddr::from(([127, 0, 2, 1], 6379)));
    assert_eq!((nodes[3].name().as_str(), nodes[3].simulated), ("127.0.2.1-6379", true));
    assert_eq!(nodes[3].bus_port(), 16_379);
}

#[test]
fn directives_are_rendered_as_the_engine_reads_them() {
    let config = "[cluster.config]\nappendonly = true\nhz = 10\nsave = [\"900 1\", \"300 10\"]\n\
                  latency-tracking-info-percentiles = \"\"\nmaxmemory = \" 1gb \"\n";
    let fleet = fleet(&format!("{CLUSTER}{config}{}", hosts(6)), Fold::AsWritten);
    for (name, lines) in [
        ("appendonly", &["yes"][..]),
        ("hz", &["10"]),
        ("save", &["900 1", "300 10"]),
        ("latency-tracking-info-percentiles", &["\"\""]),
        ("maxmemory", &["1gb"]),
    ] {
        assert_eq!(fleet.config[name], lines, "{name}");
    }
}

#[test]
fn a_line_break_cannot_smuggle_in_a_directive() {
    let config = "[cluster.config]\nmaxmemory = \"1gb\\nrequirepass x\"\n";
    assert_eq!(messages(&format!("{CLUSTER}{config}{}", hosts(6))), ["a directive's value is one line"]);
    let name = "[cluster.config]\n\"maxmemory 1gb\\nsave\" = \"\"\n";
    let found = messages(&format!("{CLUSTER}{name}{}", hosts(6)));
    assert!(found[0].contains("cannot be a directive"), "{found:?}");
}

#[test]
fn the_options_of_a_module_are_left_to_the_module() {
    let config = "[cluster.config]\nloadmodule = \"/x.so\"\nsearch.timeout = 5\n";
    let dotted = config.replace("search.timeout", "\"search.timeout\"");
    let fleet = fleet(&format!("{CLUSTER}{dotted}{}", hosts(6)), Fold::AsWritten);
    assert_eq!(fleet.config["search.timeout"], ["5"]);
    let alone = "[cluster.config]\n\"search.timeout\" = 5\n";
    assert!(messages(&format!("{CLUSTER}{alone}{}", hosts(6)))[0].contains("does not know the directive"));
}

#[test]
fn the_address_a_host_will_have_is_the_one_its_nodes_announce() {
    let network = "[hosts.network]\naddress = \"192.168.2.191/24\"\ngateway = \"192.168.2.1\"\n";
    let text = format!("{CLUSTER}{}{network}", hosts(6));
    assert_eq!(addresses(&fleet(&text, Fold::AsWritten))[5], "192.168.2.191:7001");
}

#[test]
fn an_address_that_no_host_can_have_is_refused() {
    for (address, gateway, expected) in [
        ("192.168.2.0/24", "192.168.2.1", "192.168.2.0 is the subnet itself"),
        ("192.168.2.255/24", "192.168.2.1", "192.168.2.255 is the subnet's broadcast address"),
        ("192.168.2.9/24", "192.168.3.1", "the gateway 192.168.3.1 is outside 192.168.2.0/24"),
        ("192.168.2.9/24", "192.168.2.9", "the gateway 192.168.2.9 is the host itself"),
        ("192.168.2.9/33", "192.168.2.1", "`/33` is not a prefix length"),
        ("192.168.2.9", "192.168.2.1", "`192.168.2.9` has no prefix length"),
    ] {
        let network = format!("[hosts.network]\naddress = \"{address}\"\ngateway = \"{gateway}\"\n");
        assert_eq!(messages(&format!("{CLUSTER}{}{network}", hosts(6))), [expected]);
    }
    let pair = "[hosts.network]\naddress = \"192.168.2.0/31\"\ngateway = \"192.168.2.1\"\n";
    let fleet = fleet(&format!("{CLUSTER}{}{pair}", hosts(6)), Fold::AsWritten);
    assert_eq!(addresses(&fleet)[5], "192.168.2.0:7001", "a /31 has no address but those of hosts");
}

#[test]
fn a_bus_port_that_another_node_listens_on_is_a_clash() {
    let nodes = "nodes = { ips = \"127.0.1.1-6\", port = 7001 }\n";
    let one = format!("[[hosts]]\nname = \"a\"\naddress = \"10.0.0.1\"\n{nodes}");
    let two = one.replace("\"a\"", "\"b\"").replace("10.0.0.1", "10.0.0.2").replace("7001", "17001");
    assert_eq!(
        messages(&format!("{CLUSTER}{one}{two}")),
        ["two nodes would listen on 127.0.1.1:17001"],
        "one report for a host: the others follow from it"
    );
}

#[test]
fn a_name_that_cannot_be_used_is_repaired_in_the_help() {
    for (name, help) in [("Orders!", "orders-"), ("9lives", "lives"), ("a_b", "a-b"), ("9", "orders")] {
        let text = CLUSTER.replace("\"t\"", &format!("\"{name}\"")) + &hosts(6);
        let error = parse("x", &text, Fold::AsWritten).unwrap_err();
        let shown = miette::Diagnostic::help(&error.problems()[0]).unwrap().to_string();
        assert_eq!(shown, format!("such as \"{help}\""), "{name}");
    }
}

#[test]
fn hosts_with_names_may_send_clients_to_them() {
    let config = |of_cluster: &str, of_host: &str| {
        format!(
            "[cluster]\nname = \"orders\"\nversion = \"7.0.15\"\n[cluster.config]\n{of_cluster}\n\
             [[hosts]]\nname = \"n1\"\naddress = \"local\"\nconfig = {{ {of_host} }}\n"
        )
    };
    let is_fine = |text: &str| parse("orders.toml", text, Fold::AsWritten).is_ok();
    let by_name = "cluster-preferred-endpoint-type = \"hostname\"";
    let name = "cluster-announce-hostname = \"n1.example\"";
    assert!(is_fine(&config(by_name, name)));
    assert!(is_fine(&config(&format!("{by_name}\n{name}"), "")));
    assert!(is_fine(&config("cluster-preferred-endpoint-type = \"unknown-endpoint\"", "")));
    assert!(!is_fine(&config(by_name, "")));
    assert!(!is_fine(&config(name, &format!("{by_name}, cluster-announce-hostname = \"\""))));
}

/// What a node listens on, and what it announces.
fn endpoints(fleet: &Fleet) -> Vec<(String, String)> {
    fleet.nodes().map(|node| (node.listen.to_string(), node.key.announced().to_string())).collect()
}

#[test]
fn bus_ports_count_on_from_the_first_and_may_lie_anywhere() {
    let text = format!(
        "{CLUSTER}port = 30001\nbus_port = 9001\nreplicas = 0\n[[hosts]]\nname = \"h\"\naddress = \"local\"\n"
    );
    for fold in [Fold::AsWritten, Fold::SingleHost] {
        let listen: Vec<String> = fleet(&text, fold).nodes().map(|node| node.listen.to_string()).collect();
        assert_eq!(listen, ["127.0.0.1:30001@9001", "127.0.0.1:30002@9002", "127.0.0.1:30003@9003"]);
    }
}

#[test]
fn nodes_behind_a_translation_announce_its_address_and_ports() {
    let announce = "announce = { address = \"203.0.113.7\", port = 31001, bus_port = 41001 }\n";
    let text =
        format!("{CLUSTER}replicas = 0\n{}nodes = 2\n{announce}{}", hosts(1), &hosts(2)[hosts(1).len()..]);
    let one = ("10.0.0.1:7001@17001".to_owned(), "203.0.113.7:31001@41001".to_owned());
    let two = ("10.0.0.1:7002@17002".to_owned(), "203.0.113.7:31002@41002".to_owned());
    let own = ("10.0.0.2:7001@17001".to_owned(), "10.0.0.2:7001@17001".to_owned());
    assert_eq!(endpoints(&fleet(&text, Fold::AsWritten)), [one, two, own]);
    let folded = endpoints(&fleet(&text, Fold::SingleHost));
    assert!(folded.iter().all(|(listen, announced)| listen == announced), "{folded:?}");
}
