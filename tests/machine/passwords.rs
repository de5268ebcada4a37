//! The password of a cluster: where it is stored, and what happens to keys when it is lost or changed.

use std::process::Command;

use crate::support::{
    Sandbox, inventory,
    resp::{Reply, ask},
    tree, write_secret,
};

#[test]
fn a_password_is_on_every_node_and_in_no_argument_plan_or_event() {
    let text = inventory("secret", 7241, "auth = { file = \"word\" }", "");
    let sandbox = Sandbox::with("secret", 7241, &text);
    let password = "correct-horse-battery-staple";
    write_secret(sandbox.folder.path().join("word"), password);
    let plan = sandbox.run(&["plan", "--json"]).code(2);
    let run = sandbox.run(&["apply", "--yes", "--json"]).ok();
    assert!(!plan.text().contains(password) && !run.text().contains(password));
    for (_, pid) in sandbox.pids() {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(password), "{file}");
        }
    }
    assert_eq!(ask("127.0.0.1:7241", &["PING"]), Reply::Error("NOAUTH Authentication required.".into()));
    sandbox.verify().ok();
    sandbox.apply().ok().says("Nothing to change");
}

/// A cluster that keeps its keys in memory only; `auth` is its password in the inventory.
fn in_memory(name: &str, port: u16, auth: &str) -> Sandbox {
    let rest = "[cluster.config]\nsave = \"\"\nappendonly = false\nmaxmemory = \"100mb\"";
    Sandbox::with(name, port, &inventory(name, port, &format!("auth = {auth}"), rest))
}

/// Runs a line of Python with a client that has the password.
fn with_password(sandbox: &Sandbox, password: &str, line: &str) {
    let python = std::env::var("PROVISION_TEST_PYTHON").unwrap();
    let script = format!(
        "from redis.cluster import RedisCluster\n\
         r = RedisCluster(host='127.0.0.1', port={}, password='{password}')\n{line}\n",
        sandbox.port
    );
    let output = Command::new(python).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const WRITE: &str = "for n in range(300): r.set(f'key:{n}', n)";
const READ: &str = "assert all(r.get(f'key:{n}') == str(n).encode() for n in range(300))";

#[test]
fn a_lost_generated_password_is_refused_and_not_generated_again() {
    let sandbox = in_memory("lostword", 7331, "\"generate\"");
    sandbox.apply().ok();
    let file = sandbox.folder.path().join("inventory.auth");
    let text = std::fs::read_to_string(&file).unwrap();
    with_password(&sandbox, text.trim(), WRITE);
    let (tree, pids) = (sandbox.tree(), sandbox.pids());
    std::fs::remove_file(&file).unwrap();
    for verb in [&["apply", "--yes"][..], &["plan"], &["status"]] {
        sandbox
            .run(verb)
            .code(1)
            .says("127.0.0.1:7331 runs with a password")
            .says("inventory.auth is missing")
            .says("/etc/provision/lostword/7331/password.conf");
    }
    sandbox.verify().code(1).says("127.0.0.1:7331 runs with another password: NOAUTH");
    assert!(!file.exists());
    tree::same(&tree, &sandbox.tree());
    assert_eq!(pids, sandbox.pids());
    write_secret(&file, &text);
    with_password(&sandbox, text.trim(), READ);
    sandbox.apply().ok().says("Nothing to change");
}

#[test]
fn a_changed_password_and_a_missing_one_are_refused() {
    let sandbox = in_memory("otherword", 7341, "{ file = \"word\" }");
    let file = sandbox.folder.path().join("word");
    write_secret(&file, "first");
    sandbox.apply().ok();
    with_password(&sandbox, "first", WRITE);
    let pids = sandbox.pids();
    write_secret(&file, "second");
    sandbox
        .apply()
        .code(1)
        .says("127.0.0.1:7341 runs with another password than that of the file ")
        .says("WRONGPASS");
    sandbox.write(&inventory("otherword", 7341, "", ""));
    sandbox.apply().code(1).says("127.0.0.1:7341 runs with a password, and the inventory has none");
    assert_eq!(pids, sandbox.pids());
    with_password(&sandbox, "first", READ);
    sandbox.destroy().ok();
    sandbox.write(&inventory("otherword", 7341, "", ""));
    sandbox.apply().ok();
    sandbox.write(&inventory("otherword", 7341, "auth = { file = \"word\" }", ""));
    sandbox
        .apply()
        .code(1)
        .says("127.0.0.1:7341 runs without a password")
        .says("remove `auth` from the inventory");
}
