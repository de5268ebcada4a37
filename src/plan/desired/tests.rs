use super::{
    super::testing::{desired, facts, facts_of_user, fleet, fleet_with, playbook, templates},
    target::{FHS_DIRECTORIES, above, parent},
    *,
};
use crate::{
    host::InitSystem,
    resource::{Config, Content, File, HUGE_PAGES, PASSWORD, Process},
};

fn of(fleet: &Fleet, facts: &Facts) -> Vec<Desired> {
    desired(fleet, &fleet.hosts[0], facts, "", &[])
}

fn step<'a>(desired: &'a [Desired], name: &str) -> &'a [Resource] {
    &desired.iter().find(|step| step.step == name).unwrap().resources
}

fn files<'a>(resources: &'a [Resource]) -> Vec<&'a File> {
    let file = |resource: &'a Resource| if let Resource::File(file) = resource { Some(file) } else { None };
    resources.iter().filter_map(file).collect()
}

fn configs<'a>(resources: &'a [Resource]) -> Vec<&'a Config> {
    let config = |resource: &'a Resource| if let Resource::Config(it) = resource { Some(it) } else { None };
    resources.iter().filter_map(config).collect()
}

fn directories<'a>(resources: &'a [Resource]) -> Vec<&'a Directory> {
    let directory =
        |resource: &'a Resource| if let Resource::Directory(it) = resource { Some(it) } else { None };
    resources.iter().filter_map(directory).collect()
}

fn processes<'a>(desired: &'a [Desired]) -> Vec<&'a Process> {
    let process =
        |resource: &'a Resource| if let Resource::Process(process) = resource { Some(process) } else { None };
    step(desired, "start").iter().filter_map(process).collect()
}

fn all_paths<'a>(desired: &'a [Desired]) -> Vec<&'a str> {
    let resources = desired.iter().flat_map(|step| &step.resources);
    let path = |resource: &'a Resource| match resource {
        Resource::File(file) => Some(&*file.path),
        Resource::Config(config) => Some(&*config.path),
        Resource::Directory(directory) => Some(&*directory.path),
        _ => None,
    };
    resources.filter_map(path).collect()
}

#[test]
fn root_gets_an_account_and_units() {
    let desired = of(&fleet(&["a"]), &facts());
    let account =
        |resource: &Resource| matches!(resource, Resource::User(user) if user.name == "provision-redis");
    assert!(step(&desired, "install").iter().any(account));
    for process in processes(&desired) {
        assert_eq!(process.account.as_deref(), Some("provision-redis"));
        assert_eq!(process.unit, Some(format!("redis-orders@{}.service", process.name())));
        assert_eq!(process.config[1..], ["/etc/systemd/system/redis-orders@.service"]);
    }
}

#[test]
fn a_user_keeps_everything_below_the_home_folder() {
    let desired = of(&fleet(&["a"]), &facts_of_user());
    let is_account =
        |resource: &&Resource| matches!(resource, Resource::User(_) | Resource::KernelSetting(_));
    assert_eq!(desired.iter().flat_map(|step| &step.resources).find(is_account), None);
    for path in all_paths(&desired) {
        assert!(
            "/home/ann/.local/share/provision/orders".starts_with(path) || path.starts_with("/home/ann/"),
            "{path}"
        );
    }
    for process in processes(&desired) {
        assert_eq!((&process.account, &process.unit, process.config.len()), (&None, &None, 1));
    }
}

#[test]
fn without_systemd_root_has_processes_and_no_units() {
    let facts = Facts { init: InitSystem::Other, systemd: 0, ..facts() };
    let desired = of(&fleet(&["a"]), &facts);
    assert!(processes(&desired).iter().all(|process| process.unit.is_none() && process.account.is_some()));
    let paths = all_paths(&desired);
    assert!(!paths.iter().any(|path| path.contains("systemd") || path.contains("sysctl")), "{paths:?}");
}

#[test]
fn every_node_has_its_own_configuration_folder_and_ports() {
    let desired = of(&fleet(&["a"]), &facts());
    let processes = processes(&desired);
    let ports: Vec<(u16, u16)> = processes.iter().map(|process| (process.port, process.bus_port)).collect();
    assert_eq!(ports, [(7001, 17001), (7002, 17002), (7003, 17003)]);
    for process in &processes {
        let configs = configs(step(&desired, "configure"));
        let config = configs.iter().find(|config| config.path == process.config[0]).unwrap();
        let text = &config.text;
        assert!(text.contains(&format!("port {}\n", process.port)), "{text}");
        assert!(text.contains(&format!("dir \"{}\"", process.data)), "{text}");
        assert_eq!((config.mode, config.owner.as_deref()), (0o640, Some("root:provision-redis")));
    }
}

#[test]
fn other_hosts_nodes_are_not_desired_here() {
    let fleet = fleet(&["a", "b"]);
    let desired = desired(&fleet, &fleet.hosts[1], &facts(), "", &[]);
    assert!(processes(&desired).iter().all(|process| process.ip.to_string() == "10.0.0.2"));
    assert_eq!(processes(&desired).len(), 3);
}

#[test]
fn a_password_has_a_file_of_its_own_that_the_node_depends_on() {
    let fleet = fleet_with(&["a"], "auth = { env = \"ORDERS_PASSWORD\" }");
    let desired = of(&fleet, &facts());
    let files = files(step(&desired, "configure"));
    let passwords: Vec<&&File> = files.iter().filter(|file| file.path.ends_with(PASSWORD)).collect();
    assert_eq!(passwords.len(), 3);
    for file in passwords {
        assert!(matches!(file.content, Content::Password(_)), "{file:?}");
        assert_eq!(file.mode, 0o640);
    }
    for process in processes(&desired) {
        assert!(process.config.iter().any(|path| path.ends_with(PASSWORD)), "{:?}", process.config);
    }
    let without = of(&super::super::testing::fleet(&["a"]), &facts());
    assert!(!all_paths(&without).iter().any(|path| path.ends_with(PASSWORD)));
}

#[test]
fn a_password_comes_before_the_configuration_that_includes_it() {
    let fleet = fleet_with(&["a"], "auth = { env = \"ORDERS_PASSWORD\" }");
    let desired = of(&fleet, &facts());
    let paths = all_paths(&desired);
    let at = |end: &str| paths.iter().position(|path| path.ends_with(end)).unwrap();
    assert!(at("7002/password.conf") < at("7002/redis.conf"));
}

#[test]
fn only_old_servers_need_huge_pages_turned_off() {
    let settings = |version: &str| {
        let fleet = fleet_with(&["a"], &format!("version = \"{version}\""));
        let desired = of(&fleet, &facts());
        let mut settings = step(&desired, "install").iter();
        settings.any(|it| matches!(it, Resource::KernelSetting(setting) if setting.path == HUGE_PAGES))
    };
    assert!(settings("6.0.16") && !settings("6.2.0") && !settings("7.2.4"));
}

#[test]
fn a_kernel_setting_is_undone_after_its_file() {
    let fleet = fleet_with(&["a"], "version = \"6.0.16\"");
    let desired = of(&fleet, &facts());
    let install = step(&desired, "install");
    let last_setting =
        |at: usize| install[at..].iter().position(|it| matches!(it, Resource::KernelSetting(_)));
    for (at, resource) in install.iter().enumerate() {
        if let Resource::File(file) = resource {
            let same_folder = |it: &Resource| matches!(it, Resource::KernelSetting(_));
            assert!(install[..at].iter().any(same_folder), "{}", file.path);
        }
    }
    let files: Vec<&str> = files(install).iter().map(|file| file.path.as_str()).collect();
    let expected = ["/etc/sysctl.d/10-provision-orders.conf", "/etc/tmpfiles.d/10-provision-orders.conf"];
    assert_eq!(files, expected);
    let end = install.len() - 1;
    assert!(matches!(install[end], Resource::File(_)) && last_setting(end).is_none());
}

#[test]
fn a_sysctl_template_without_settings_names_the_line() {
    let (fleet, facts) = (fleet(&["a"]), facts());
    let (playbook, templates) =
        (playbook(&fleet, ""), Templates { sysctl: "swappiness 1".into(), ..templates() });
    let blueprint = Blueprint { fleet: &fleet, playbook: &playbook, templates: &templates };
    let error = blueprint.desired_resources(&fleet.hosts[0], &facts, &Layout::new(&fleet, &facts), &[]);
    let error = format!("{:?}", error.unwrap_err());
    assert!(error.contains("sysctl.conf") && error.contains("swappiness 1"), "{error}");
}

#[test]
fn folders_above_a_path_come_outermost_first_without_those_every_host_has() {
    let paths = |path| above(path).map(|directory| directory.path).collect::<Vec<_>>();
    assert_eq!(paths("/etc/provision/orders/7001"), ["/etc/provision", "/etc/provision/orders"]);
    assert_eq!(paths("/var/lib/x/y"), ["/var/lib/x"]);
    assert_eq!(paths("/etc/motd"), [""; 0]);
    assert_eq!(paths("/motd"), [""; 0]);
    assert!(above("/a/b/c").all(|directory| directory.mode.is_none() && !directory.recursive));
}

#[test]
fn every_path_comes_after_the_folder_that_holds_it() {
    let own = "[[step]]\nname = \"deep\"\nfile = { path = \"/srv/a/b/c.txt\", content = \"x\" }\n";
    let fleet = fleet(&["a"]);
    for facts in [facts(), facts_of_user()] {
        let desired = desired(&fleet, &fleet.hosts[0], &facts, own, &[]);
        let paths = all_paths(&desired);
        for (at, path) in paths.iter().enumerate() {
            let folder = parent(path);
            let known =
                folder.is_empty() || FHS_DIRECTORIES.contains(&folder) || paths[..at].contains(&folder);
            assert!(known || folder == "/etc/systemd/system", "{path} before {folder}");
        }
    }
}

#[test]
fn the_state_folder_is_not_removed_whole() {
    let desired = of(&fleet(&["a"]), &facts());
    let directories = directories(step(&desired, "build"));
    let state = directories.last().unwrap();
    assert_eq!(
        (&*state.path, state.mode, state.recursive),
        ("/var/lib/provision/orders", Some(0o755), false)
    );
}

#[test]
fn packages_of_a_build_need_a_known_distribution() {
    let fleet = fleet(&["a"]);
    let packages = |facts: &Facts, packages: &[&str]| {
        let desired = desired(&fleet, &fleet.hosts[0], facts, "", packages);
        step(&desired, "build").iter().filter(|it| matches!(it, Resource::Package(_))).count()
    };
    assert_eq!((packages(&facts(), &["gcc"]), packages(&facts(), &[])), (1, 0));
    assert_eq!(packages(&Facts { os: vec!["slackware".into()], ..facts() }, &["gcc"]), 0);
}

#[test]
fn a_step_of_the_users_own_becomes_its_resource() {
    let own = r#"
[[step]]
name = "files"
file = { path = "/srv/x/motd", content = "hi", mode = "0600", owner = "redis" }
[[step]]
name = "tools"
package = ["jq"]
[[step]]
name = "zone"
command = { run = "true", unless = "false" }
"#;
    let fleet = fleet(&["a"]);
    let desired = desired(&fleet, &fleet.hosts[0], &facts(), own, &[]);
    let files_step = step(&desired, "files");
    assert_eq!(directories(files_step).iter().map(|it| &*it.path).collect::<Vec<_>>(), ["/srv", "/srv/x"]);
    let file = files(files_step)[0];
    assert_eq!((file.mode, file.owner.as_deref()), (0o600, Some("redis")));
    let [Resource::Package(package)] = step(&desired, "tools") else { panic!("{desired:?}") };
    assert_eq!(package.distro, "debian");
    let [Resource::Command(command)] = step(&desired, "zone") else { panic!("{desired:?}") };
    assert_eq!(command.unless.as_deref(), Some("false"));
}

#[test]
fn jobs_are_those_of_the_built_in_steps() {
    use Job::{Build, Form, Resources, Start, Verify};
    let desired = of(&fleet(&["a"]), &facts());
    let jobs: Vec<Job> = desired.iter().map(|step| step.job).collect();
    assert_eq!(jobs, [Build, Resources, Resources, Resources, Start, Form, Verify]);
    let ship = step(&desired, "ship");
    assert!(matches!(ship, [Resource::Binary(binary)] if processes(&desired)[0].binary == binary.path()));
}

#[test]
fn what_was_noted_of_the_installed_server_settles_its_configurations() {
    let fleet = fleet(&["a"]);
    let binary = |desired: &[Desired]| match step(desired, "ship") {
        [Resource::Binary(binary)] => binary.clone(),
        other => panic!("{other:?}"),
    };
    let bare = of(&fleet, &facts());
    let asked = binary(&bare).directives;
    assert!(asked.contains("replica-announce-ip") && asked.contains("slave-announce-ip"), "{asked:?}");
    assert!(configs(step(&bare, "configure")).iter().all(|config| !config.is_settled()));
    let mut script = crate::resource::Script::new(&Layout::new(&fleet, &facts()));
    binary(&bare).finish("", "", |name| name == "slave-announce-ip", &mut script);
    let note = written(&script.text().unwrap(), "/knows");
    let noted = of(&fleet, &Facts { knows: [(binary(&bare).folder, note)].into(), ..facts() });
    for config in configs(step(&noted, "configure")) {
        assert!(
            config.is_settled() && config.text.contains("\nslave-announce-ip 10.0.0.1\n"),
            "{}",
            config.text
        );
        assert!(!config.text.contains("cluster-announce-ip"), "{}", config.text);
    }
}

/// The text that a script writes to the file with this end.
fn written(script: &str, end: &str) -> String {
    let (_, rest) = script.split_once(&format!("{end} 0644 '' '")).unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}

/// What a stopped node's files are judged by, and what is set on a running one, is looked up like this.
#[test]
fn a_process_starts_with_a_configuration_that_is_desired_too() {
    let fleet = fleet(&["a"]);
    let desired = of(&fleet, &facts());
    let configs: Vec<&str> = configs(step(&desired, "configure")).iter().map(|it| it.path.as_str()).collect();
    let starts: Vec<&str> = processes(&desired).iter().map(|process| process.config[0].as_str()).collect();
    assert_eq!((starts.len(), starts), (3, configs));
}
