//! What a user adds to the flow, what of it is asked for, and plans that are kept: steps, templates, tags, saved plans.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a story ends where an expectation fails, and acts on the machine as its user would"
)]

mod support;

use std::{os::unix::fs::MetadataExt, path::Path};

use support::{
    Sandbox, inventory,
    resp::{Reply, ask},
};

#[test]
fn a_saved_plan_is_applied_and_refused_when_the_host_has_moved_on() {
    let story = Sandbox::new("saved", 7211);
    story.run(&["plan", "-o", "plan.json"]).code(2);
    story.command(&["apply", "--yes", "--plan", "plan.json"]).output().map(support::Run::from).unwrap().ok();
    story.verify().ok();
    story.write(&inventory("saved", 7211, "", "[cluster.config]\nmaxmemory = \"90mb\""));
    story.run(&["plan", "-o", "plan.json"]).code(2);
    let file = story.config("7211");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}# somebody was here\n")).unwrap();
    let run: support::Run =
        story.command(&["apply", "--yes", "--plan", "plan.json"]).output().unwrap().into();
    run.code(1).says("not the one the plan was made for");
}

#[test]
fn a_playbook_adds_steps_and_a_template_is_overridden() {
    let story = Sandbox::new("steps", 7231);
    let folder = story.folder.path();
    let mark = folder.join("mark");
    std::fs::create_dir_all(folder.join("playbooks")).unwrap();
    std::fs::create_dir_all(folder.join("templates")).unwrap();
    let steps = format!(
        "extends = \"cluster\"\n\
         [[step]]\nname = \"note\"\nafter = \"configure\"\ntags = [\"extra\"]\n\
         file = {{ path = \"{0}/note\", content = \"first\\n\", mode = \"0640\" }}\n\
         [[step]]\nname = \"once\"\ncommand = {{ run = \"echo ran >>{1}\", creates = \"{1}\" }}\n\
         [[step]]\nname = \"always\"\ntags = [\"extra\"]\ncommand = {{ run = \"echo hello\" }}\n",
        folder.display(),
        mark.display()
    );
    std::fs::write(folder.join("playbooks/cluster.toml"), steps).unwrap();
    let template =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/redis.conf")).unwrap();
    std::fs::write(folder.join("templates/redis.conf"), template + "slowlog-max-len 77\n").unwrap();
    story.run(&["plan", "--diff"]).code(2).says("will run every time").says("slowlog-max-len 77");
    story.apply().ok();
    assert_eq!(
        ask("127.0.0.1:7231", &["CONFIG", "GET", "slowlog-max-len"]),
        Reply::texts(&["slowlog-max-len", "77"])
    );
    std::fs::write(folder.join("note"), "somebody else\n").unwrap();
    story.run(&["apply", "--yes", "--tags", "extra"]).ok();
    assert_eq!(std::fs::read_to_string(folder.join("note")).unwrap(), "first\n");
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ran\n");
    story.destroy().ok();
    assert!(!folder.join("note").exists());
}

#[test]
fn a_unit_step_without_systemd_is_refused_before_anything_changes() {
    let story = Sandbox::new("nounit", 7311);
    let folder = story.folder.path().join("playbooks");
    std::fs::create_dir(&folder).unwrap();
    let steps = "extends = \"cluster\"\n[[step]]\nname = \"clock\"\nunit = \"chrony.service\"\n";
    std::fs::write(folder.join("cluster.toml"), steps).unwrap();
    story.apply().code(1).says("unit chrony.service needs systemd");
    assert!(!Path::new("/etc/provision/nounit").exists());
}

#[test]
fn tags_that_mean_nothing_are_refused_and_a_proof_can_be_asked_for() {
    let story = Sandbox::new("tags", 7351);
    story.run(&["apply", "--yes", "--tags", "tpyo"]).code(64).says("`tpyo`").says("choose one of");
    story.run(&["plan", "--tags", "verfy"]).code(64).says("did you mean `verify`?");
    story.run(&["apply", "--yes", "--tags", "verify"]).code(1).says("do not hold");
    story.apply().ok();
    story.run(&["apply", "--yes", "--tags", "verify"]).ok().says("is ready");
    let run = story.run(&["apply", "--yes", "--tags", "configure,start"]).ok();
    assert!(
        run.text()
            .contains("Nothing to change in the steps configure, start of cluster tags on a single host.")
    );
    story.run(&["apply", "--json"]).code(64).says("--yes");
    story
        .run(&["apply", "--yes", "--report", "nowhere/page.html"])
        .code(64)
        .says("could not write the report");
    // A restart brings the formation step along, which puts the settings back that the engine needs meanwhile.
    story.write(&inventory("tags", 7351, "", "[cluster.config]\nmaxmemory = \"100mb\""));
    let only = ["--tags", "configure,start"];
    story.run(&["plan", only[0], only[1]]).code(2).says("whole again after the restarts");
    let before = ask("127.0.0.1:7351", &["CONFIG", "GET", "repl-diskless-sync-delay"]);
    story.run(&["apply", "--yes", only[0], only[1]]).ok();
    assert_eq!(ask("127.0.0.1:7351", &["CONFIG", "GET", "repl-diskless-sync-delay"]), before);
    story.destroy().ok();
    let run = story.run(&["destroy", "--yes", "--json"]).ok();
    assert!(serde_json::from_str::<serde_json::Value>(&run.stdout).is_ok(), "{}", run.text());
}

/// Adds steps to the playbook of a story.
fn steps(story: &Sandbox, steps: &str) {
    let folder = story.folder.path().join("playbooks");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cluster.toml"), format!("extends = \"cluster\"\n{steps}")).unwrap();
}

#[test]
fn what_stands_in_the_way_is_refused_before_anything_changes() {
    let story = Sandbox::new("inway", 7361);
    let folder = story.folder.path().join("taken");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.display();
    steps(&story, &format!("[[step]]\nname = \"note\"\nfile = {{ path = \"{path}\", content = \"\" }}\n"));
    story.apply().code(1).says(&format!("here: {path} must be a file, and a directory stands there"));
    std::fs::write(folder.join("file"), "").unwrap();
    steps(&story, &format!("[[step]]\nname = \"sub\"\ndirectory = {{ path = \"{path}/file/sub\" }}\n"));
    story.apply().code(1).says(&format!("{path}/file must be a directory, and a file stands there"));
    assert!(!Path::new("/etc/provision/inway").exists() && !Path::new("/var/lib/provision/inway").exists());
    // Steps that are left out are in nobody's way, and a link above a folder may lead where it wants.
    story.run(&["plan", "--tags", "build"]).code(2);
    std::os::unix::fs::symlink(&folder, story.folder.path().join("link")).unwrap();
    let link = story.folder.path().join("link");
    steps(
        &story,
        &format!("[[step]]\nname = \"sub\"\ndirectory = {{ path = \"{}/sub\" }}\n", link.display()),
    );
    story.run(&["apply", "--yes", "--tags", "sub"]).ok();
    assert!(folder.join("sub").is_dir());
}

#[test]
fn folders_above_a_step_s_own_go_with_it() {
    let story = Sandbox::new("above", 7361);
    let at = |path: &str| story.folder.path().join(path);
    let folder = |name: &str, path: &str, mode: &str| {
        format!(
            "[[step]]\nname = \"{name}\"\ntags = [\"own\"]\ndirectory = {{ path = \"{}\", mode = \"{mode}\" }}\n",
            at(path).display()
        )
    };
    let file = format!(
        "[[step]]\nname = \"note\"\ntags = [\"own\"]\nfile = {{ path = \"{}\", content = \"\" }}\n",
        at("d/e/note").display()
    );
    steps(&story, &(folder("deep", "a/b/c", "0755") + &folder("upper", "a/b", "0700") + &file));
    story.run(&["apply", "--yes", "--tags", "own"]).ok();
    assert_eq!(std::fs::metadata(at("a/b")).unwrap().mode() & 0o777, 0o700);
    story.run(&["apply", "--yes", "--tags", "own"]).ok().says("Nothing to change in the step own");
    assert!(at("a/b/c").is_dir() && at("d/e/note").is_file());
    story.destroy().ok();
    assert!(!at("a").exists() && !at("d").exists());
    // On a fresh host there may be no account yet to own the configuration: what was made until then goes, too.
    story.run(&["apply", "--yes", "--tags", "configure"]);
    assert!(Path::new("/etc/provision/above").exists());
    story.destroy().ok();
    for root in ["/etc", "/run", "/var/lib", "/var/log"] {
        assert!(!Path::new(root).join("provision/above").exists(), "{root}");
    }
}

#[test]
fn a_saved_plan_needs_no_playbook_and_only_hosts_of_its_cluster() {
    let story = Sandbox::new("frozen", 7371);
    story.run(&["plan", "-o", "plan.json"]).code(2);
    std::fs::create_dir(story.folder.path().join("playbooks")).unwrap();
    std::fs::write(story.folder.path().join("playbooks/cluster.toml"), "[[step").unwrap();
    let apply = |plan: &str| -> support::Run {
        story.command(&["apply", "--yes", "--plan", plan]).output().unwrap().into()
    };
    let text = std::fs::read_to_string(story.folder.path().join("plan.json")).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let state = plan["hosts"]["here"].take();
    plan["hosts"] = serde_json::json!({ "elsewhere": state });
    std::fs::write(story.folder.path().join("other.json"), plan.to_string()).unwrap();
    apply("other.json").code(64).says("elsewhere");
    apply("plan.json").ok().says("is ready");
    std::fs::remove_dir_all(story.folder.path().join("playbooks")).unwrap();
    story.verify().ok();
}
