//! What a user adds to the flow, what of it is selected, and plans that are kept: steps, templates, tags,
//! saved plans.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use crate::support::{
    Sandbox, inventory,
    resp::{Reply, ask},
    tree,
};

#[test]
fn a_saved_plan_is_applied_and_refused_when_the_host_has_moved_on() {
    let sandbox = Sandbox::new("saved", 7211);
    sandbox.run(&["plan", "-o", "plan.json"]).code(2);
    sandbox
        .command(&["apply", "--yes", "--plan", "plan.json"])
        .output()
        .map(crate::support::Run::from)
        .unwrap()
        .ok();
    sandbox.verify().ok();
    sandbox.write(&inventory("saved", 7211, "", "[cluster.config]\nmaxmemory = \"90mb\""));
    sandbox.run(&["plan", "-o", "plan.json"]).code(2);
    let file = sandbox.config("7211");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}# edited by hand\n")).unwrap();
    let run: crate::support::Run =
        sandbox.command(&["apply", "--yes", "--plan", "plan.json"]).output().unwrap().into();
    run.code(1).says("not the one the plan was made for");
}

#[test]
fn a_playbook_adds_steps_and_a_template_is_overridden() {
    let sandbox = Sandbox::new("steps", 7231);
    let folder = sandbox.folder.path();
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
    sandbox.run(&["plan", "--diff"]).code(2).says("will run every time").says("slowlog-max-len 77");
    sandbox.apply().ok();
    assert_eq!(
        ask("127.0.0.1:7231", &["CONFIG", "GET", "slowlog-max-len"]),
        Reply::texts(&["slowlog-max-len", "77"])
    );
    std::fs::write(folder.join("note"), "edited by hand\n").unwrap();
    sandbox.run(&["apply", "--yes", "--tags", "extra"]).ok();
    assert_eq!(std::fs::read_to_string(folder.join("note")).unwrap(), "first\n");
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ran\n");
    sandbox.destroy().ok();
    assert!(!folder.join("note").exists());
}

#[test]
fn a_unit_step_without_systemd_is_refused_before_anything_changes() {
    let sandbox = Sandbox::new("nounit", 7311);
    let folder = sandbox.folder.path().join("playbooks");
    std::fs::create_dir(&folder).unwrap();
    let steps = "extends = \"cluster\"\n[[step]]\nname = \"clock\"\nunit = \"chrony.service\"\n";
    std::fs::write(folder.join("cluster.toml"), steps).unwrap();
    sandbox.apply().code(1).says("unit chrony.service needs systemd");
    assert!(!Path::new("/etc/provision/nounit").exists());
}

#[test]
fn tags_that_mean_nothing_are_refused_and_a_proof_can_be_asked_for() {
    let sandbox = Sandbox::new("tags", 7351);
    sandbox.run(&["apply", "--yes", "--tags", "tpyo"]).code(64).says("`tpyo`").says("choose one of");
    sandbox.run(&["plan", "--tags", "verfy"]).code(64).says("did you mean `verify`?");
    sandbox.run(&["apply", "--yes", "--tags", "verify"]).code(1).says("do not hold");
    sandbox.apply().ok();
    sandbox.run(&["apply", "--yes", "--tags", "verify"]).ok().says("is ready");
    let run = sandbox.run(&["apply", "--yes", "--tags", "configure,start"]).ok();
    assert!(
        run.text()
            .contains("Nothing to change in the steps configure, start of cluster tags on a single host.")
    );
    sandbox.run(&["apply", "--json"]).code(64).says("--yes");
    sandbox
        .run(&["apply", "--yes", "--report", "nowhere/page.html"])
        .code(64)
        .says("could not write the report");
    // With a restart comes the step `form`, which puts the settings back that the engine needs meanwhile.
    sandbox.write(&inventory("tags", 7351, "", "[cluster.config]\nio-threads = 2"));
    let only = ["--tags", "configure,start"];
    sandbox.run(&["plan", only[0], only[1]]).code(2).says("whole again after the restarts");
    let before = ask("127.0.0.1:7351", &["CONFIG", "GET", "repl-diskless-sync-delay"]);
    sandbox.run(&["apply", "--yes", only[0], only[1]]).ok();
    assert_eq!(ask("127.0.0.1:7351", &["CONFIG", "GET", "repl-diskless-sync-delay"]), before);
    sandbox.destroy().ok();
    let run = sandbox.run(&["destroy", "--yes", "--json"]).ok();
    assert!(serde_json::from_str::<serde_json::Value>(&run.stdout).is_ok(), "{}", run.text());
}

/// Adds steps to the playbook of a sandbox.
fn steps(sandbox: &Sandbox, steps: &str) {
    let folder = sandbox.folder.path().join("playbooks");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cluster.toml"), format!("extends = \"cluster\"\n{steps}")).unwrap();
}

#[test]
fn what_stands_in_the_way_is_refused_before_anything_changes() {
    let sandbox = Sandbox::new("inway", 7361);
    let folder = sandbox.folder.path().join("taken");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.display();
    steps(&sandbox, &format!("[[step]]\nname = \"note\"\nfile = {{ path = \"{path}\", content = \"\" }}\n"));
    sandbox.apply().code(1).says(&format!("here: {path} must be a file, and a directory stands there"));
    std::fs::write(folder.join("file"), "").unwrap();
    steps(&sandbox, &format!("[[step]]\nname = \"sub\"\ndirectory = {{ path = \"{path}/file/sub\" }}\n"));
    sandbox.apply().code(1).says(&format!("{path}/file must be a directory, and a file stands there"));
    assert!(!Path::new("/etc/provision/inway").exists() && !Path::new("/var/lib/provision/inway").exists());
    // Steps that are not selected are not checked, and a link above a folder may lead anywhere.
    sandbox.run(&["plan", "--tags", "build"]).code(2);
    std::os::unix::fs::symlink(&folder, sandbox.folder.path().join("link")).unwrap();
    let link = sandbox.folder.path().join("link");
    steps(
        &sandbox,
        &format!("[[step]]\nname = \"sub\"\ndirectory = {{ path = \"{}/sub\" }}\n", link.display()),
    );
    sandbox.run(&["apply", "--yes", "--tags", "sub"]).ok();
    assert!(folder.join("sub").is_dir());
}

#[test]
fn folders_above_a_step_s_own_go_with_it() {
    let sandbox = Sandbox::new("above", 7361);
    let at = |path: &str| sandbox.folder.path().join(path);
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
    steps(&sandbox, &(folder("deep", "a/b/c", "0755") + &folder("upper", "a/b", "0700") + &file));
    sandbox.run(&["apply", "--yes", "--tags", "own"]).ok();
    assert_eq!(std::fs::metadata(at("a/b")).unwrap().mode() & 0o777, 0o700);
    sandbox.run(&["apply", "--yes", "--tags", "own"]).ok().says("Nothing to change in the step own");
    assert!(at("a/b/c").is_dir() && at("d/e/note").is_file());
    sandbox.destroy().ok();
    assert!(!at("a").exists() && !at("d").exists());
    // On a fresh host there may be no account yet to own the configuration: what was made until then is
    // undone, too.
    sandbox.run(&["apply", "--yes", "--tags", "configure"]);
    assert!(Path::new("/etc/provision/above").exists());
    sandbox.destroy().ok();
    for root in ["/etc", "/run", "/var/lib", "/var/log"] {
        assert!(!Path::new(root).join("provision/above").exists(), "{root}");
    }
}

#[test]
fn a_saved_plan_needs_no_playbook_and_only_hosts_of_its_cluster() {
    let sandbox = Sandbox::new("frozen", 7371);
    sandbox.run(&["plan", "-o", "plan.json"]).code(2);
    std::fs::create_dir(sandbox.folder.path().join("playbooks")).unwrap();
    std::fs::write(sandbox.folder.path().join("playbooks/cluster.toml"), "[[step").unwrap();
    let apply = |plan: &str| -> crate::support::Run {
        sandbox.command(&["apply", "--yes", "--plan", plan]).output().unwrap().into()
    };
    let text = std::fs::read_to_string(sandbox.folder.path().join("plan.json")).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let state = plan["hosts"]["here"].take();
    plan["hosts"] = serde_json::json!({ "elsewhere": state });
    std::fs::write(sandbox.folder.path().join("other.json"), plan.to_string()).unwrap();
    apply("other.json").code(64).says("elsewhere");
    apply("plan.json").ok().says("is ready");
    std::fs::remove_dir_all(sandbox.folder.path().join("playbooks")).unwrap();
    sandbox.verify().ok();
}

/// An account without privileges, and a folder that belongs to it.
struct Stranger {
    name: String,
    folder: tempfile::TempDir,
}

impl Stranger {
    fn new(name: &str) -> Self {
        let name = format!("{name}{}", std::process::id());
        let add = ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", &name];
        assert!(Command::new("useradd").args(add).status().unwrap().success());
        let folder = tempfile::Builder::new().prefix("provision-stranger-").tempdir().unwrap();
        let stranger = Self { name, folder };
        let path = stranger.at("");
        let owner = format!("{0}:{0}", stranger.name);
        assert!(Command::new("chown").args([&owner, &path]).status().unwrap().success());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        stranger
    }

    fn at(&self, path: &str) -> String {
        self.folder.path().join(path).display().to_string()
    }

    /// A line of shell, with the rights of the account.
    fn runs(&self, line: &str) {
        let output = Command::new("setpriv").args(self.command(line)).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }

    /// The arguments of `setpriv` that run a line of shell with the rights of the account.
    fn command(&self, line: &str) -> [String; 6] {
        let rights = [format!("--reuid={}", self.name), format!("--regid={}", self.name)];
        let [user, group] = rights;
        [
            user,
            group,
            "--clear-groups".into(),
            "sh".into(),
            "-ec".into(),
            format!("cd {}; {line}", self.at("")),
        ]
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let gone = Command::new("userdel").arg(&self.name).status().unwrap().success();
        assert!(gone || std::thread::panicking(), "userdel {}", self.name);
    }
}

/// What belongs to root and must stay as it is: a file and a folder with a file.
struct Treasure {
    folder: tempfile::TempDir,
    before: tree::Tree,
}

impl Treasure {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("provision-root-").tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "root's\n").unwrap();
        std::fs::set_permissions(folder.path().join("file"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/note"), "root's\n").unwrap();
        let before = tree::of(&[folder.path()], tree::Times::Kept, &|_| false);
        Self { folder, before }
    }

    fn at(&self, path: &str) -> String {
        self.folder.path().join(path).display().to_string()
    }

    #[track_caller]
    fn is_whole(&self) {
        tree::same(&self.before, &tree::of(&[self.folder.path()], tree::Times::Kept, &|_| false));
        assert_eq!(std::fs::read_to_string(self.at("file")).unwrap(), "root's\n");
        assert_eq!(std::fs::read_to_string(self.at("sub/note")).unwrap(), "root's\n");
    }
}

/// Steps of a stranger's folder, as TOML: a file each, which the account gets.
fn note(path: &str, owner: &str) -> String {
    format!(
        "[[step]]\nname = \"note\"\ntags = [\"own\"]\n\
         file = {{ path = \"{path}\", content = \"ours\\n\", mode = \"0640\", owner = \"{owner}\" }}\n"
    )
}

const OWN: [&str; 4] = ["apply", "--yes", "--tags", "own"];

#[test]
fn a_link_planted_where_a_file_is_about_to_be_written_leads_nowhere() {
    let (stranger, treasure, sandbox) =
        (Stranger::new("planter"), Treasure::new(), Sandbox::new("planted", 7381));
    for planted in ["file", "sub", "nowhere"] {
        stranger.runs(&format!("rm -rf x x.provision-new; ln -s {} x.provision-new", treasure.at(planted)));
        steps(&sandbox, &note(&stranger.at("x"), &stranger.name));
        sandbox.run(&OWN).ok();
        treasure.is_whole();
        assert!(!Path::new(&treasure.at("nowhere")).exists());
        let written = std::fs::symlink_metadata(stranger.at("x")).unwrap();
        assert!(written.is_file() && written.mode() & 0o7777 == 0o640, "{planted}: {written:?}");
        assert_eq!(std::fs::read_to_string(stranger.at("x")).unwrap(), "ours\n");
    }
    // A folder of that name with files of another account is named, and not touched.
    stranger
        .runs("rm -f x; mkdir x.provision-new; echo mine >x.provision-new/new; echo mine >x.provision-new/y");
    sandbox.run(&OWN).code(1).says("x.provision-new").says("remove it");
    stranger.runs("grep -q mine x.provision-new/new; grep -q mine x.provision-new/y; rm -r x.provision-new");
    sandbox.run(&OWN).ok();
    // Undoing puts the former file back, with the same care.
    stranger.runs("rm -f x; echo former >x");
    sandbox.run(&OWN).ok();
    stranger.runs(&format!("rm -rf x.provision-new; ln -s {} x.provision-new", treasure.at("file")));
    sandbox.destroy().ok();
    treasure.is_whole();
}

#[test]
fn what_a_stranger_swaps_for_a_link_after_the_plan_was_made_is_refused() {
    let (stranger, treasure, sandbox) =
        (Stranger::new("swapper"), Treasure::new(), Sandbox::new("swapped", 7381));
    let swap = |what: &str, step: &str| {
        let line = format!("rm -rf {what}; ln -s {} {what}", treasure.at("sub"));
        let words: Vec<String> =
            stranger.command(&line).iter().map(|word| format!("\\\"{word}\\\"")).collect();
        format!(
            "[[step]]\nname = \"swap\"\ntags = [\"own\"]\ncommand = {{ run = \"setpriv {}\" }}\n{step}",
            words.join(" ")
        )
    };
    let folder = |path: &str| {
        format!(
            "[[step]]\nname = \"sub\"\ntags = [\"own\"]\n\
             directory = {{ path = \"{path}\", mode = \"0700\", owner = \"{}\" }}\n",
            stranger.name
        )
    };
    for (what, step) in [
        // The folder itself, a folder above a folder, a folder above a file, and the file.
        ("d", folder(&stranger.at("d"))),
        ("d", folder(&stranger.at("d/e"))),
        ("d", note(&stranger.at("d/note"), &stranger.name)),
        ("d", note(&stranger.at("d/new"), &stranger.name)),
        ("d/note", note(&stranger.at("d/note"), &stranger.name)),
    ] {
        stranger.runs("rm -rf d; mkdir -m 755 d; echo former >d/note");
        steps(&sandbox, &swap(what, &step));
        let run = sandbox.run(&OWN).code(1);
        assert!(
            run.text().contains("symbolic link") || run.text().contains("no regular file"),
            "{}",
            run.text()
        );
        treasure.is_whole();
    }
}

#[test]
fn what_a_stranger_swaps_for_a_link_is_left_alone_by_destroy() {
    let (stranger, treasure, sandbox) =
        (Stranger::new("undoer"), Treasure::new(), Sandbox::new("undone", 7381));
    stranger.runs("mkdir -m 755 d f; echo former >d/note");
    let folder = |name: &str, path: &str| {
        format!(
            "[[step]]\nname = \"{name}\"\ntags = [\"own\"]\n\
             directory = {{ path = \"{path}\", mode = \"0700\", owner = \"root\" }}\n"
        )
    };
    let all = [
        note(&stranger.at("d/note"), &stranger.name),
        note(&stranger.at("d/file"), &stranger.name).replace("\"note\"", "\"created\""),
        folder("theirs", &stranger.at("f")),
        folder("ours", &stranger.at("d/sub")),
    ];
    steps(&sandbox, &all.concat());
    sandbox.run(&OWN).ok();
    stranger.runs(&format!("mv d was; ln -s {} d; mv f g; ln -s {0} f", treasure.at("")));
    sandbox.destroy().ok().says("note: ").says("d/note");
    treasure.is_whole();
}

#[test]
fn a_link_of_root_s_above_a_file_leads_where_it_leads() {
    let (stranger, sandbox) = (Stranger::new("rooter"), Sandbox::new("rooted", 7381));
    let folder = sandbox.folder.path();
    std::os::unix::fs::symlink(stranger.at(""), folder.join("link")).unwrap();
    steps(&sandbox, &note(&folder.join("link/x").display().to_string(), &stranger.name));
    sandbox.run(&OWN).ok();
    assert_eq!(std::fs::read_to_string(stranger.at("x")).unwrap(), "ours\n");
    sandbox.destroy().ok();
    assert!(!Path::new(&stranger.at("x")).exists());
    stranger.runs("test -z \"$(ls -A)\"");
}

#[test]
fn the_lock_of_a_plain_user_is_no_link_of_another_account() {
    let (stranger, sandbox) = (Stranger::new("locker"), Sandbox::new("locks", 7381).for_user(65534));
    let (treasure, lock) = (sandbox.home().join("treasure"), "/tmp/provision-65534");
    std::fs::write(&treasure, "mine\n").unwrap();
    std::os::unix::fs::chown(&treasure, Some(65534), Some(65534)).unwrap();
    let build = ["apply", "--yes", "--tags", "build"];
    for link in [format!("{lock}-locks.lock"), lock.to_owned(), format!("{lock}/provision-65534-locks.lock")]
    {
        let make = if link.starts_with(&format!("{lock}/")) {
            format!("mkdir -m 777 {lock};")
        } else {
            String::new()
        };
        stranger.runs(&format!("{make} ln -s {} {link}", treasure.display()));
        let run = sandbox.run(&build);
        stranger.runs(&format!("rm -rf {link} {lock}"));
        assert!(
            run.code == 0 || run.text().contains(&format!("{lock} is not ours")),
            "{link}: {}",
            run.text()
        );
        assert_eq!(std::fs::read_to_string(&treasure).unwrap(), "mine\n", "{link}");
    }
    sandbox.run(&build).ok();
    assert!(!Path::new(lock).exists());
}

#[test]
fn a_line_comes_stays_is_repaired_and_goes_and_the_rest_of_its_file_is_not_ours() {
    let sandbox = Sandbox::new("lines", 7381);
    let at = |path: &str| sandbox.folder.path().join(path);
    let read = |path: &str| std::fs::read_to_string(at(path)).unwrap();
    let step = |name: &str, file: &str, rest: &str| {
        format!(
            "[[step]]\nname = \"{name}\"\ntags = [\"own\"]\nline = {{ path = \"{}\", {rest} }}\n",
            at(file).display()
        )
    };
    let all = [
        step("vault", "hosts", "line = \"10.0.0.9 vault's \\\"x\\\"\""),
        step("old", "hosts", "line = \"10.0.0.1 old\", absent = true"),
        step("none", "hosts", "line = \"10.0.0.2 older\", absent = true"),
        step("new", "d/new", "line = \"only\""),
        step("gone", "gone", "line = \"x\", absent = true"),
    ];
    steps(&sandbox, &all.concat());
    std::fs::write(at("hosts"), "10.0.0.1 old\n10.0.0.3 other").unwrap();
    std::fs::set_permissions(at("hosts"), std::fs::Permissions::from_mode(0o604)).unwrap();
    sandbox.run(&OWN).ok();
    assert_eq!(read("hosts"), "10.0.0.3 other\n10.0.0.9 vault's \"x\"\n");
    assert_eq!(std::fs::metadata(at("hosts")).unwrap().mode() & 0o7777, 0o604);
    assert_eq!(read("d/new"), "only\n");
    sandbox.run(&OWN).ok().says("Nothing to change in the step own");
    std::fs::write(at("hosts"), "10.0.0.1 old\n10.0.0.4 later\n").unwrap();
    sandbox.run(&["plan", "--tags", "own"]).code(2).says("it is missing").says("it stands there");
    sandbox.run(&OWN).ok();
    assert_eq!(read("hosts"), "10.0.0.4 later\n10.0.0.9 vault's \"x\"\n");
    sandbox.destroy().ok();
    assert_eq!(read("hosts"), "10.0.0.4 later\n10.0.0.1 old\n");
    assert!(!at("d").exists() && !at("gone").exists());

    // What others have added to a file that was made for a line stays.
    sandbox.run(&OWN).ok();
    std::fs::write(at("d/new"), "only\nmore\n").unwrap();
    sandbox.destroy().ok();
    assert_eq!(read("d/new"), "more\n");
}
