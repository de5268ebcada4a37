//! Nodes that others reach elsewhere than where they listen: behind an address translation, with a bus port
//! of their own choice.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::{Run, Sandbox, warm};

/// A network of its own, whose kernel translates 127.0.2.1:31001… to 127.0.0.1:7311…, and 41001… to the bus
/// ports 27001….
struct Translated(&'static str);

impl Translated {
    fn build(name: &'static str) -> Self {
        let network = Self(name);
        assert!(ip(&["netns", "add", name]) && ip(&["-n", name, "link", "set", "lo", "up"]));
        let clients: Vec<String> = (0..6).map(|n| format!("{} : {}", 31001 + n, 7311 + n)).collect();
        let buses: Vec<String> = (0..6).map(|n| format!("{} : {}", 41001 + n, 27001 + n)).collect();
        let ports = [clients, buses].concat().join(", ");
        let rules = format!(
            "table ip translation {{\nchain output {{\ntype nat hook output priority -100\n\
             ip daddr 127.0.2.1 meta l4proto tcp dnat to 127.0.0.1 : tcp dport map {{ {ports} }}\n}}\n}}\n"
        );
        let mut nft = network.command("nft", &["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success());
        network
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.0, program]).args(args);
        command
    }

    /// An independent client, which goes where the nodes send it.
    fn client(&self, words: &[&str]) -> String {
        let run: Run = self.command("redis-cli", words).output().unwrap().into();
        run.ok().stdout.trim().to_owned()
    }
}

impl Drop for Translated {
    fn drop(&mut self) {
        assert!(ip(&["netns", "del", self.0]) || std::thread::panicking());
    }
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).status().unwrap().success()
}

fn inventory(rest: &str) -> String {
    format!(
        "[cluster]\nname = \"nat\"\nversion = \"7.0.15\"\nport = 7311\nbus_port = 27001\n{rest}\n\
         [[hosts]]\nname = \"here\"\naddress = \"local\"\n\
         announce = {{ address = \"127.0.2.1\", port = 31001, bus_port = 41001 }}\n"
    )
}

#[test]
fn nodes_behind_a_translation_form_a_cluster_and_send_clients_where_they_are_reached() {
    warm();
    let network = Translated::build("provision-test-nat");
    let mut sandbox = Sandbox::with("nat", 7311, &inventory(""));
    sandbox.namespace = Some(network.0.to_owned());
    sandbox.apply().ok().says("redis-cli -c -h 127.0.2.1 -p 31001 set hello world");
    let nodes = network.client(&["-h", "127.0.2.1", "-p", "31001", "cluster", "nodes"]);
    for port in 31001..=31006 {
        assert!(nodes.contains(&format!("127.0.2.1:{port}@{}", port + 10_000)), "{nodes}");
    }
    for key in 0..50 {
        let key = key.to_string();
        assert_eq!(network.client(&["-c", "-h", "127.0.2.1", "-p", "31001", "set", &key, &key]), "OK");
    }
    sandbox.apply().ok().says("Nothing to change");
    // Each node restarts, and its master hands over.
    sandbox.write(&inventory("[cluster.config]\nio-threads = 2"));
    sandbox.apply().ok();
    for key in 0..50 {
        let key = key.to_string();
        assert_eq!(network.client(&["-c", "-h", "127.0.2.1", "-p", "31006", "get", &key]), key);
    }
    sandbox.verify().ok();
    sandbox.run(&["status"]).ok().says("127.0.2.1:31001");
    drop(sandbox);
}
