//! Playbooks as users write them: a flow of their own, steps added to ours, and templates in place of ours.

use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use provision::{
    inventory::{self, Fleet, Fold},
    playbook::{self, Action, LoadError, Playbook, Template},
};

const OURS: [&str; 7] = ["build", "install", "ship", "configure", "start", "form", "verify"];

/// A project folder with an inventory in it.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(path, text).unwrap();
        self
    }

    fn fleet(&self) -> Fleet {
        let text =
            "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\n[[hosts]]\nname = \"h\"\naddress = \"local\"\n";
        let file = self.0.path().join("inventory/t.toml");
        inventory::parse(&file.display().to_string(), text, Fold::AsWritten).unwrap()
    }

    fn load(&self) -> Playbook {
        playbook::load(&self.fleet(), "cluster").unwrap_or_else(|error| panic!("{}", render(&error)))
    }

    fn template(&self, name: &str) -> Template {
        playbook::template(&self.fleet(), name).unwrap_or_else(|error| panic!("{}", render(&error)))
    }
}

fn render(error: &LoadError) -> String {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    handler.render_report(&mut text, error).unwrap();
    text
}

fn names(playbook: &Playbook) -> Vec<&str> {
    playbook.steps.iter().map(|step| step.name.as_str()).collect()
}

fn extended(steps: &[(&str, &str)]) -> String {
    let steps =
        steps.iter().map(|(name, place)| format!("[[step]]\nname = \"{name}\"\npackage = \"jq\"\n{place}\n"));
    format!("extends = \"cluster\"\n{}", steps.collect::<String>())
}

#[test]
fn without_a_file_of_the_users_the_flow_is_ours() {
    let playbook = Project::new().load();
    assert_eq!((playbook.name.as_str(), names(&playbook)), ("cluster", OURS.to_vec()));
}

#[test]
fn the_flow_in_this_repository_is_the_compiled_in_one() {
    let fleet = inventory::load(Path::new("inventory/single-host.toml"), Fold::AsWritten).unwrap();
    assert_eq!(playbook::load(&fleet, "cluster").unwrap(), Project::new().load());
}

#[test]
fn a_file_that_extends_adds_its_steps_where_they_ask() {
    let text = extended(&[
        ("last", ""),
        ("second", "after = \"configure\""),
        ("third", "after = \"configure\""),
        ("first", "before = \"build\""),
        ("beside", "after = \"second\""),
    ]);
    let playbook = Project::new().with("inventory/playbooks/cluster.toml", &text).load();
    assert_eq!(
        names(&playbook),
        [
            "first",
            "build",
            "install",
            "ship",
            "configure",
            "second",
            "beside",
            "third",
            "start",
            "form",
            "verify",
            "last"
        ]
    );
}

#[test]
fn a_step_may_stand_next_to_one_that_comes_later() {
    let text = extended(&[("a", "after = \"b\""), ("b", "after = \"form\"")]);
    let playbook = Project::new().with("playbooks/cluster.toml", &text).load();
    assert_eq!(names(&playbook)[5..], ["form", "b", "a", "verify"]);
}

#[test]
fn the_folder_beside_the_inventory_comes_first() {
    let project = Project::new()
        .with("inventory/playbooks/cluster.toml", &extended(&[("near", "")]))
        .with("playbooks/cluster.toml", &extended(&[("far", "")]));
    assert_eq!(names(&project.load()).last(), Some(&"near"));
}

#[test]
fn a_file_that_does_not_extend_is_the_whole_flow() {
    let mut text = std::fs::read_to_string("playbooks/cluster.toml").unwrap();
    text.push_str("[[step]]\nname = \"greet\"\nfile = { path = \"/etc/motd\", content = \"hello\\n\" }\nafter = \"install\"\n");
    let playbook = Project::new().with("playbooks/cluster.toml", &text).load();
    assert_eq!(names(&playbook)[..4], ["build", "install", "greet", "ship"]);
}

#[test]
fn every_kind_of_step_is_read() {
    let text = r#"
        extends = "cluster"
        [[step]]
        name = "packages"
        package = ["chrony", "jq"]
        tags = ["base", "extra"]
        [[step]]
        name = "folder"
        directory = { path = "/srv/backup", mode = "0750", owner = "redis" }
        [[step]]
        name = "motd"
        file = { path = "/etc/motd", content = "hello\n", mode = "0600", owner = "root" }
        [[step]]
        name = "conf"
        template = { path = "/etc/app.conf", source = "app.conf" }
        [[step]]
        name = "vault"
        line = { path = "/etc/hosts", line = "10.0.0.9 vault" }
        [[step]]
        name = "old-vault"
        line = { path = "/etc/hosts", line = "10.0.0.8 vault", absent = true }
        [[step]]
        name = "account"
        user = { name = "backup", home = "/srv/backup" }
        [[step]]
        name = "once"
        command = { run = "touch /tmp/x", creates = "/tmp/x", unless = "test -e /tmp/x" }
        [[step]]
        name = "clock"
        unit = "chrony.service"
    "#;
    let project =
        Project::new().with("playbooks/cluster.toml", text).with("templates/app.conf", "{{ cluster }}\n");
    let playbook = project.load();
    assert_eq!(playbook.steps[7].tags, ["base", "extra"]);
    let mut actions = playbook.steps[7..].to_vec();
    for step in &mut actions {
        if let Action::Template { source, .. } = &mut step.action {
            assert!(source.ends_with("templates/app.conf"));
            "templates/app.conf".clone_into(source);
        }
    }
    insta::assert_json_snapshot!(actions);
}

#[test]
fn a_template_of_the_projects_takes_the_place_of_ours() {
    assert_eq!(Project::new().template("redis.conf").source, "built-in redis.conf");
    let project = Project::new().with("templates/redis.conf", "mine");
    assert_eq!(project.template("redis.conf").text, "mine");
    let project = project.with("inventory/templates/redis.conf", "nearer");
    assert_eq!(project.template("redis.conf").text, "nearer");
}

#[test]
fn what_is_not_there_is_named_with_a_fix() {
    let fleet = Project::new().fleet();
    let shown = render(&playbook::template(&fleet, "redis.cnf").unwrap_err());
    assert!(shown.contains("there is no template `redis.cnf`") && shown.contains("redis.conf"), "{shown}");
    let shown = render(&playbook::template(&fleet, "../secret").unwrap_err());
    assert!(shown.contains("is not the name of a template"), "{shown}");
    let shown = render(&playbook::load(&fleet, "clutser").unwrap_err());
    assert!(shown.contains("did you mean `cluster`?"), "{shown}");
}

#[test]
fn every_malformed_playbook_is_explained() {
    let entries = std::fs::read_dir("tests/malformed-playbooks").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    assert!(files.len() >= 8);
    let (name, text) = ("inventory/single-host.toml", include_str!("../../inventory/single-host.toml"));
    let fleet = inventory::parse(name, text, Fold::AsWritten).unwrap();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let error = playbook::parse(&fleet, "cluster", &path.display().to_string(), &text)
            .expect_err(&format!("{name} loads, but should not"));
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../malformed-playbooks", omit_expression => true }, {
            insta::assert_snapshot!(name, render(&error));
        });
    }
}
