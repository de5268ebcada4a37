//! What must be true: fleet + playbook + facts of a host → resources, step by step.

use serde::{Deserialize, Serialize};

use super::render::{self, Error};
use crate::{
    host::Facts,
    inventory::{Fleet, Host, Node, Version},
    playbook::{Action, Playbook, Step},
    resource::{
        Binary, Command, Content, Directory, File, HUGE_PAGES, KernelSetting, Layout, Line, PASSWORD,
        Package, Process, Resource, Unit, User,
    },
};

/// What one step of the playbook desires of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub step: String,
    pub tags: Vec<String>,
    pub job: Job,
    pub resources: Vec<Resource>,
}

impl Desired {
    /// Whether this word of `--tags` means the step.
    pub fn answers_to(&self, tag: &str) -> bool {
        self.step == tag || self.tags.iter().any(|own| own == tag)
    }
}

/// What a step does besides bringing resources about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    Resources,
    Build,
    Start,
    Form,
    Verify,
}

/// The texts of the templates nodes are rendered from.
#[derive(Debug, Clone)]
pub struct Templates {
    pub config: String,
    pub unit: String,
    pub sysctl: String,
}

/// The one host whose resources are desired, with all that decides them.
struct DesiredResources<'a> {
    fleet: &'a Fleet,
    host: &'a Host,
    facts: &'a Facts,
    layout: Layout,
    templates: &'a Templates,
    /// Names the folder of the binary together with engine and version.
    recipe: &'a str,
    /// What a build needs from the distribution.
    packages: &'a [String],
}

/// What the playbook desires of a host, in its order.
pub fn desired_resources(
    fleet: &Fleet,
    host: &Host,
    facts: &Facts,
    playbook: &Playbook,
    templates: &Templates,
    recipe: &str,
    packages: &[String],
) -> Result<Vec<Desired>, Error> {
    let layout = Layout::new(fleet, facts);
    let builder = DesiredResources { fleet, host, facts, layout, templates, recipe, packages };
    playbook.steps.iter().map(|step| builder.step(step)).collect()
}

impl DesiredResources<'_> {
    fn step(&self, step: &Step) -> Result<Desired, Error> {
        let (job, resources) = match &step.action {
            Action::Build => (Job::Build, self.build()),
            Action::Install => (Job::Resources, self.install()?),
            Action::Configure => (Job::Resources, self.configure()?),
            Action::Ship => (Job::Resources, vec![Resource::Binary(self.binary())]),
            Action::Start => (Job::Start, self.start()),
            Action::Form => (Job::Form, Vec::new()),
            Action::Verify => (Job::Verify, Vec::new()),
            other => (Job::Resources, self.user_step(other)?),
        };
        Ok(Desired { step: step.name.clone(), tags: step.tags.clone(), job, resources })
    }

    /// The ledger's folder comes before anything the ledger tells of.
    fn build(&self) -> Vec<Resource> {
        // The state folder is not ours to remove whole: the ledger goes last, when all else is undone.
        let mut resources = folders(&self.layout.state, None, 0o755);
        resources.pop();
        let state = Directory::parent(&self.layout.state);
        resources.push(Resource::Directory(Directory { mode: Some(0o755), ..state }));
        if let (false, Some(distro)) = (self.packages.is_empty(), self.facts.distro()) {
            let (names, distro) = (self.packages.to_vec(), distro.id.to_owned());
            resources.push(Resource::Package(Package { names, distro }));
        }
        resources
    }

    fn install(&self) -> Result<Vec<Resource>, Error> {
        let layout = &self.layout;
        let mut resources = Vec::new();
        if let Some(name) = &layout.account {
            resources.push(Resource::User(User { name: name.clone(), home: Some(layout.data.clone()) }));
        }
        resources.extend(folders(&layout.bin, None, 0o755));
        resources.extend(folders(&layout.etc, self.readable().as_deref(), 0o750));
        resources.extend(folders(&layout.data, self.owned().as_deref(), 0o750));
        resources.extend(folders(&layout.log, self.owned().as_deref(), 0o750));
        resources.extend(folders(&layout.run, None, 0o755));
        if self.facts.runs_units() {
            resources.extend(self.kernel()?);
        }
        Ok(resources)
    }

    /// What all servers want of the kernel, now and after a boot. A setting comes before its file, so that it is undone when
    /// the file is gone.
    fn kernel(&self) -> Result<Vec<Resource>, Error> {
        let text = render::sysctl(&self.templates.sysctl, self.fleet, &self.layout)?;
        let settings = KernelSetting::of_sysctl(&text).map_err(|line| render::not_sysctl(&line))?;
        let mut resources = self.kept(settings, "/etc/sysctl.d", text);
        // Later servers see to it themselves (redis issue 5946).
        if self.fleet.version < Version::new(6, 2, 0) {
            let setting = KernelSetting { path: HUGE_PAGES.to_owned(), value: "madvise".to_owned() };
            let text = format!(
                "# Written by provision: huge pages make copy-on-write dear, and with it saving and replicating.\n\
                 w! {HUGE_PAGES} - - - - madvise\n"
            );
            resources.extend(self.kept(vec![setting], "/etc/tmpfiles.d", text));
        }
        Ok(resources)
    }

    /// Settings, and the file that gives them their values at boot.
    fn kept(&self, settings: Vec<KernelSetting>, folder: &str, text: String) -> Vec<Resource> {
        let path = format!("{folder}/10-provision-{}.conf", self.fleet.name);
        let folders = above(&path).map(Resource::Directory);
        let settings = settings.into_iter().map(Resource::KernelSetting);
        let file = File { path: path.clone(), content: Content::Text(text), mode: 0o644, owner: None };
        settings.chain(folders).chain([Resource::File(file)]).collect()
    }

    fn configure(&self) -> Result<Vec<Resource>, Error> {
        let mut resources = Vec::new();
        let layout = &self.layout;
        for folder in [&layout.etc, &layout.data, &layout.log, &layout.run] {
            resources.extend(above(folder).chain([Directory::parent(folder)]).map(Resource::Directory));
        }
        for node in &self.host.nodes {
            let paths = self.layout.node(node);
            for (folder, owner) in [(parent(&paths.config), self.readable()), (&*paths.data, self.owned())] {
                resources.push(Resource::Directory(Directory::recursive(folder, 0o750, owner.as_deref())));
            }
            let run = parent(&paths.pid);
            resources.push(Resource::Directory(Directory::recursive(run, 0o755, self.owned().as_deref())));
            let log = parent(&paths.log);
            resources.push(Resource::Directory(Directory::recursive(log, 0o750, self.owned().as_deref())));
            let text = render::config(&self.templates.config, self.fleet, node, &self.layout)?;
            let owner = self.readable();
            if let (Some(auth), Some(path)) = (&self.fleet.auth, self.password_file(node)) {
                let (content, owner) = (Content::Password(auth.clone()), owner.clone());
                resources.push(Resource::File(File { path, content, mode: 0o640, owner }));
            }
            let (path, content) = (paths.config, Content::Text(text));
            resources.push(Resource::File(File { path, content, mode: 0o640, owner }));
        }
        if self.facts.runs_units() {
            let (layout, systemd) = (&self.layout, self.facts.systemd);
            let text =
                render::unit(&self.templates.unit, self.fleet, layout, &self.binary().path(), systemd)?;
            let (path, content) = (self.layout.unit_file(), Content::Text(text));
            resources.push(Resource::File(File { path, content, mode: 0o644, owner: None }));
        }
        Ok(resources)
    }

    fn start(&self) -> Vec<Resource> {
        let binary = self.binary().path();
        let process = |node: &Node| {
            let mut process = Process::new(node, &self.layout.node(node), self.facts, &binary);
            process.account.clone_from(&self.layout.account);
            process.config.extend(self.password_file(node));
            process.config.extend(self.facts.runs_units().then(|| self.layout.unit_file()));
            Resource::Process(process)
        };
        self.host.nodes.iter().map(process).collect()
    }

    /// The resource of a step that is not built in, after the folders above it: what is created is taken away again.
    fn user_step(&self, action: &Action) -> Result<Vec<Resource>, Error> {
        let Some(resource) = self.user_resource(action)? else { return Ok(Vec::new()) };
        let folders: Vec<Directory> = match &resource {
            Resource::Directory(Directory { path, .. })
            | Resource::File(File { path, .. })
            | Resource::Line(Line { path, absent: false, .. }) => above(path).collect(),
            _ => Vec::new(),
        };
        Ok(folders.into_iter().map(Resource::Directory).chain([resource]).collect())
    }

    fn user_resource(&self, action: &Action) -> Result<Option<Resource>, Error> {
        Ok(Some(match action.clone() {
            Action::Package { names } => {
                let distro = self.facts.distro().map_or("", |distro| distro.id).to_owned();
                Resource::Package(Package { names, distro })
            }
            Action::Directory { path, mode, owner } => {
                Resource::Directory(Directory { path, mode: Some(mode), owner, recursive: false })
            }
            Action::File { path, content, mode, owner } => {
                Resource::File(File { path, content: Content::Text(content), mode, owner })
            }
            Action::Template { path, template, source, mode, owner } => {
                let text = render::template(&source, &template, self.fleet, self.host, &self.layout)?;
                Resource::File(File { path, content: Content::Text(text), mode, owner })
            }
            Action::Line { path, line, absent } => Resource::Line(Line { path, line, absent }),
            Action::User { name, home } => Resource::User(User { name, home }),
            Action::Command { run, creates, unless } => Resource::Command(Command { run, creates, unless }),
            Action::Unit { name } => Resource::Unit(Unit { name }),
            Action::Build
            | Action::Install
            | Action::Configure
            | Action::Ship
            | Action::Start
            | Action::Form
            | Action::Verify => return Ok(None),
        }))
    }

    fn binary(&self) -> Binary {
        Binary::new(self.fleet, &self.layout, self.recipe)
    }

    fn password_file(&self, node: &Node) -> Option<String> {
        self.fleet.auth.as_ref()?;
        Some(format!("{}/{PASSWORD}", parent(&self.layout.node(node).config)))
    }

    /// The owner of what the servers write.
    fn owned(&self) -> Option<String> {
        self.layout.account.as_ref().map(|account| format!("{account}:{account}"))
    }

    /// The owner of what the servers only read.
    fn readable(&self) -> Option<String> {
        self.layout.account.as_ref().map(|account| format!("root:{account}"))
    }
}

/// A folder of ours, after all the folders above it.
fn folders(path: &str, owner: Option<&str>, mode: u32) -> Vec<Resource> {
    above(path).chain([Directory::recursive(path, mode, owner)]).map(Resource::Directory).collect()
}

/// The folders above a path, outermost first, without those that every host has.
fn above(path: &str) -> impl Iterator<Item = Directory> {
    let folders = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
    folders.filter(|folder| !FHS_DIRECTORIES.contains(folder)).map(Directory::parent)
}

/// See hier(7): without these no host would have booted.
const FHS_DIRECTORIES: [&str; 5] = ["/etc", "/run", "/var", "/var/lib", "/var/log"];

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}
