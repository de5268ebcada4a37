//! Inventories as users write them: the examples load, and every mistake is shown at its place.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use miette::{GraphicalReportHandler, GraphicalTheme};
use provision::{
    inventory::{self, Address, Engine, Fleet, Fold, LoadError, Version},
    secret::SecretSource,
};

const HEAD: &str = "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\n";
const LOCAL: &str = "[[hosts]]\nname = \"laptop\"\naddress = \"local\"\n";

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

fn parse(text: &str) -> Fleet {
    inventory::parse("inventory/test.toml", text, Fold::AsWritten)
        .unwrap_or_else(|e| panic!("{}", render(&e)))
}

fn refuse(text: &str) -> LoadError {
    inventory::parse("inventory/test.toml", text, Fold::AsWritten).unwrap_err()
}

fn render(error: &LoadError) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut text, error).unwrap();
    text
}

fn messages(error: &LoadError) -> Vec<String> {
    error.problems().iter().map(ToString::to_string).collect()
}

fn addresses(fleet: &Fleet) -> Vec<String> {
    fleet.nodes().map(ToString::to_string).collect()
}

#[test]
fn every_example_loads_as_written_and_folded() {
    let examples = files("inventory");
    assert!(examples.len() >= 5);
    for path in examples {
        for fold in [Fold::AsWritten, Fold::SingleHost] {
            let fleet = inventory::load(&path, fold).unwrap_or_else(|e| panic!("{}", render(&e)));
            assert!(fleet.masters() >= 3, "{}", path.display());
        }
    }
}

#[test]
fn every_example_fits_the_schema() {
    let validator = jsonschema::validator_for(&inventory::schema()).unwrap();
    for path in files("inventory") {
        let value: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let value = serde_json::to_value(value).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    let wrong =
        serde_json::json!({ "cluster": { "name": "t", "version": "7.0.15", "mastres": 3 }, "hosts": [] });
    assert_eq!(validator.iter_errors(&wrong).count(), 2);
    let empty = serde_json::json!({ "cluster": {}, "hosts": [{}] });
    assert_eq!(validator.iter_errors(&empty).count(), 4, "name and version, name and address");
}

#[test]
fn the_schema_is_what_editors_were_given() {
    insta::assert_json_snapshot!(inventory::schema());
}

#[test]
fn one_host_alone_carries_the_smallest_cluster() {
    let fleet = parse(&format!("{HEAD}{LOCAL}"));
    assert_eq!((fleet.engine, fleet.version, fleet.replicas), (Engine::Redis, Version::new(7, 0, 15), 1));
    assert_eq!(addresses(&fleet), (7001..7007).map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>());
    let node = fleet.nodes().next().unwrap();
    assert_eq!((node.name().as_str(), node.host().as_str(), node.simulated), ("7001", "laptop", false));
    assert_eq!(parse(&format!("{HEAD}replicas = 2\n{LOCAL}")).nodes().count(), 9);
    assert_eq!(parse(&format!("{HEAD}replicas = 0\n{LOCAL}")).nodes().count(), 3);
}

#[test]
fn several_hosts_carry_one_node_each_on_their_own_address() {
    let fleet = inventory::load(Path::new("inventory/six-vms.toml"), Fold::AsWritten).unwrap();
    assert_eq!(
        addresses(&fleet),
        (191..197).map(|last| format!("192.168.2.{last}:7001")).collect::<Vec<_>>()
    );
    assert_eq!(fleet.hosts[2].zone.as_deref(), Some("rack-b"));
    assert_eq!(fleet.config["save"], ["900 1", "300 10"]);
    // Absolute, so that a saved plan can be applied from another folder.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory");
    assert_eq!(fleet.auth, Some(SecretSource::Generate(folder.join("six-vms.auth"))));
    assert_eq!(fleet.files().folder(), folder);
}

#[test]
fn a_fold_puts_every_node_on_this_machine() {
    let fleet = inventory::load(Path::new("inventory/six-vms.toml"), Fold::SingleHost).unwrap();
    assert_eq!(fleet.hosts.len(), 1);
    assert_eq!((&fleet.hosts[0].address, &fleet.hosts[0].zone), (&Address::Local, &None));
    assert_eq!(addresses(&fleet), (7001..7007).map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>());
    assert!(fleet.nodes().all(|node| *node.host() == fleet.hosts[0].name));
}

#[test]
fn a_fold_needs_no_address_and_keeps_each_hosts_directives() {
    let hosts: String = (1..=6)
        .map(|n| {
            format!(
                "[[hosts]]\nname = \"h{n}\"\naddress = \"h{n}.example\"\nconfig = {{ io-threads = {n} }}\n"
            )
        })
        .collect();
    let fleet = inventory::parse("t.toml", &format!("{HEAD}{hosts}"), Fold::SingleHost).unwrap();
    let threads: Vec<_> = fleet.nodes().map(|node| node.config["io-threads"][0].as_str()).collect();
    assert_eq!(threads, ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn simulated_addresses_are_nodes_of_their_own() {
    let fleet = inventory::load(Path::new("inventory/simulated-addresses.toml"), Fold::AsWritten).unwrap();
    assert_eq!(addresses(&fleet), (1..7).map(|last| format!("127.0.1.{last}:6379")).collect::<Vec<_>>());
    assert!(fleet.nodes().all(|node| node.simulated));
    assert_eq!(fleet.nodes().next().unwrap().name(), "127.0.1.1-6379");
    let listed = format!("{HEAD}{LOCAL}nodes = {{ ips = [\"127.0.1.1-5\", \"127.0.2.1\"] }}\n");
    assert_eq!(addresses(&parse(&listed))[5], "127.0.2.1:7001");
}

#[test]
fn the_address_a_host_will_have_is_its_nodes_address() {
    let hosts: String = (1..=3)
        .map(|n| {
            format!(
                "[[hosts]]\nname = \"h{n}\"\naddress = \"h{n}.example\"\n[hosts.network]\naddress = \"10.0.0.{n}/24\"\n"
            )
        })
        .collect();
    let fleet = parse(&format!("{HEAD}replicas = 0\n{hosts}"));
    assert_eq!(addresses(&fleet), ["10.0.0.1:7001", "10.0.0.2:7001", "10.0.0.3:7001"]);
    assert_eq!(fleet.hosts[0].address, Address::Remote("h1.example".into()));
    let v6: Vec<SocketAddr> = fleet.nodes().map(|node| node.listen.client).collect();
    assert!(v6.iter().all(SocketAddr::is_ipv4));
}

#[test]
fn directives_are_rendered_as_the_engine_reads_them() {
    let fleet = parse(&format!(
        "{HEAD}[cluster.config]\nappendonly = true\nhz = 20\nsave = \"\"\nmaxmemory = \" 1gb \"\n\
         loadmodule = \"/opt/x.so\"\n\"x.limit\" = 5\n{LOCAL}"
    ));
    let lines: Vec<_> =
        fleet.config.iter().map(|(name, lines)| format!("{name} {}", lines.join("|"))).collect();
    assert_eq!(
        lines,
        ["appendonly yes", "hz 20", "loadmodule /opt/x.so", "maxmemory 1gb", "save \"\"", "x.limit 5"]
    );
}

#[test]
fn a_password_is_kept_outside() {
    let auth = |line: &str| parse(&format!("{HEAD}auth = {line}\n{LOCAL}")).auth.unwrap();
    assert_eq!(auth("{ env = \"REDIS_PASSWORD\" }"), SecretSource::Env("REDIS_PASSWORD".into()));
    assert_eq!(auth("{ file = \"password\" }"), SecretSource::File("inventory/password".into()));
    assert_eq!(auth("{ file = \"/etc/password\" }"), SecretSource::File("/etc/password".into()));
}

#[test]
fn every_malformed_inventory_is_explained() {
    let malformed = files("tests/malformed");
    assert!(malformed.len() >= 30);
    for path in malformed {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let error = inventory::parse(&path.display().to_string(), &text, Fold::AsWritten)
            .expect_err(&format!("{name} loads, but should not"));
        assert!(error.problems().iter().all(|problem| problem.offset() <= text.len()));
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../malformed", omit_expression => true }, {
            insta::assert_snapshot!(name, render(&error));
        });
    }
}

#[test]
fn independent_mistakes_show_at_once() {
    let error = refuse(
        "[cluster]\nname = \"Orders\"\nverison = \"7.0\"\nreplicas = \"one\"\nport = 60000\n[cluster.config]\n\
         maxmemmory = \"1gb\"\nport = 1\n[[hosts]]\nname = \"a\"\naddress = \"192.168.1.256\"\ncolour = \"red\"\n",
    );
    assert_eq!(
        messages(&error),
        [
            "`Orders` cannot be a cluster's name",
            "unknown key `verison`",
            "`7.0` is not a version",
            "`replicas` has the wrong type",
            "port 60000: the bus port 70000 does not exist",
            "`192.168.1.256` is not an IP address: octet 256 > 255",
            "unknown key `colour`",
        ]
    );
}

#[test]
fn one_mistake_is_reported_once() {
    for text in [
        "[cluster]\nname = 5\nversion = \"7.0.15\"\n",
        "[cluster]\nnmae = \"t\"\nversion = \"7.0.15\"\n",
        "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\nport = 60000\n",
        "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\nengine = \"redsi\"\nconfig = { maxmemory = \"1gb\" }\n",
    ] {
        assert_eq!(refuse(&format!("{text}{LOCAL}")).problems().len(), 1, "{text}");
    }
    let nodes = format!("{HEAD}{LOCAL}nodes = \"six\"\n");
    assert_eq!(messages(&refuse(&nodes)), ["`nodes` has the wrong type"]);
}

#[test]
fn a_password_is_never_shown() {
    for line in [
        "auth = \"hunter2\"",
        "auth = { env = \"hunter-2\" }",
        "password = \"hunter2\"",
        "config.requirepass = \"hunter2\"",
    ] {
        let shown = render(&refuse(&format!("{HEAD}{line}\n{LOCAL}")));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

proptest::proptest! {
    #[test]
    fn no_damage_makes_it_panic(from in 0usize..900, length in 0usize..40, put in "[a-z0-9=\\[\\]{}\"\n. -]{0,12}") {
        let mut text = std::fs::read_to_string("inventory/three-shards-two-replicas.toml").unwrap();
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (floor(from), floor(from + length));
        text.replace_range(start..end, &put);
        for fold in [Fold::AsWritten, Fold::SingleHost] {
            if let Err(error) = inventory::parse("t.toml", &text, fold) {
                proptest::prop_assert!(!render(&error).is_empty());
            }
        }
    }
}

#[test]
fn an_unreadable_file_is_a_problem_with_a_fix() {
    let error = inventory::load(Path::new("tests/no-such.toml"), Fold::AsWritten).unwrap_err();
    let shown = render(&error);
    assert!(
        shown.contains("could not read tests/no-such.toml") && shown.contains("provision init"),
        "{shown}"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the exit code is the binary's")]
fn every_malformed_inventory_ends_with_exit_code_64() {
    for path in
        files("tests/malformed").into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml"))
    {
        let plan =
            std::process::Command::new(env!("CARGO_BIN_EXE_provision")).arg("plan").arg(&path).output();
        assert_eq!(plan.unwrap().status.code(), Some(64), "{}", path.display());
    }
}
