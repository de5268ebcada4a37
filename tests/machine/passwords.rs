//! The password of a cluster: where it is and where not, and what becomes of keys when it is lost or another one.

use std::process::Command;

use crate::support::{
    Sandbox, inventory,
    resp::{Reply, ask},
    tree,
};

#[test]
fn a_password_is_on_every_node_and_in_no_argument_plan_or_event() {
    let text = inventory("secret", 7241, "auth = { file = \"word\" }", "");
    let story = Sandbox::with("secret", 7241, &text);
    let word = "correct-horse-battery-staple";
    std::fs::write(story.folder.path().join("word"), word).unwrap();
    let plan = story.run(&["plan", "--json"]).code(2);
    let run = story.run(&["apply", "--yes", "--json"]).ok();
    assert!(!plan.text().contains(word) && !run.text().contains(word));
    for (_, pid) in story.pids() {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(word), "{file}");
        }
    }
    assert_eq!(ask("127.0.0.1:7241", &["PING"]), Reply::Error("NOAUTH Authentication required.".into()));
    story.verify().ok();
    story.apply().ok().says("Nothing to change");
}

/// A cluster that keeps its keys in memory only, with a password from the file `word` or drawn.
fn in_memory(name: &str, port: u16, auth: &str) -> Sandbox {
    let rest = "[cluster.config]\nsave = \"\"\nappendonly = false\nmaxmemory = \"100mb\"";
    Sandbox::with(name, port, &inventory(name, port, &format!("auth = {auth}"), rest))
}

/// Puts keys through a client that knows the password; the one of these tests does not.
fn with_password(story: &Sandbox, password: &str, line: &str) {
    let python = std::env::var("PROVISION_TEST_PYTHON").unwrap();
    let script = format!(
        "from redis.cluster import RedisCluster\n\
         r = RedisCluster(host='127.0.0.1', port={}, password='{password}')\n{line}\n",
        story.port
    );
    let output = Command::new(python).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const WRITE: &str = "for n in range(300): r.set(f'key:{n}', n)";
const READ: &str = "assert all(r.get(f'key:{n}') == str(n).encode() for n in range(300))";

#[test]
fn a_lost_generated_password_is_refused_and_not_drawn_anew() {
    let story = in_memory("lostword", 7331, "\"generate\"");
    story.apply().ok();
    let file = story.folder.path().join("inventory.auth");
    let text = std::fs::read_to_string(&file).unwrap();
    with_password(&story, text.trim(), WRITE);
    let (tree, pids) = (story.tree(), story.pids());
    std::fs::remove_file(&file).unwrap();
    for verb in [&["apply", "--yes"][..], &["plan"], &["status"]] {
        story
            .run(verb)
            .code(1)
            .says("127.0.0.1:7331 runs with a password")
            .says("inventory.auth is missing")
            .says("/etc/provision/lostword/7331/password.conf");
    }
    story.verify().code(1).says("127.0.0.1:7331 runs with another password: NOAUTH");
    assert!(!file.exists());
    tree::same(&tree, &story.tree());
    assert_eq!(pids, story.pids());
    std::fs::write(&file, &text).unwrap();
    with_password(&story, text.trim(), READ);
    story.apply().ok().says("Nothing to change");
}

#[test]
fn another_password_is_refused_and_so_is_none() {
    let story = in_memory("otherword", 7341, "{ file = \"word\" }");
    let file = story.folder.path().join("word");
    std::fs::write(&file, "first").unwrap();
    story.apply().ok();
    with_password(&story, "first", WRITE);
    let pids = story.pids();
    std::fs::write(&file, "second").unwrap();
    story
        .apply()
        .code(1)
        .says("127.0.0.1:7341 runs with another password than that of the file ")
        .says("WRONGPASS");
    story.write(&inventory("otherword", 7341, "", ""));
    story.apply().code(1).says("127.0.0.1:7341 runs with a password, and the inventory has none");
    assert_eq!(pids, story.pids());
    with_password(&story, "first", READ);
    story.destroy().ok();
    story.write(&inventory("otherword", 7341, "", ""));
    story.apply().ok();
    story.write(&inventory("otherword", 7341, "auth = { file = \"word\" }", ""));
    story
        .apply()
        .code(1)
        .says("127.0.0.1:7341 runs without a password")
        .says("remove `auth` from the inventory");
}
