//! The distribution table: how each family names and installs packages. A table, so that a new family is one entry.

pub mod deb_src;
pub mod source_package;

/// One family of distributions.
#[derive(Debug, PartialEq, Eq)]
pub struct Distro {
    /// The `ID` or `ID_LIKE` of os-release it answers to.
    pub id: &'static str,
    /// The package that provides each tool a build may need: compiler, C++ compiler, make, tar, pkg-config.
    pub packages: &'static [(Tool, &'static str)],
    /// A shell command that prints one line `name` for each of its arguments that is installed.
    pub installed: &'static str,
    /// A shell function body that installs its arguments without asking.
    pub install: &'static str,
    /// A shell function body that removes its arguments without asking, and nothing else.
    pub remove: &'static str,
}

/// What a build may need from the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Compiler,
    CxxCompiler,
    Make,
    Tar,
    Libc,
}

const DISTROS: &[Distro] = &[Distro {
    id: "debian",
    packages: &[
        (Tool::Compiler, "gcc"),
        (Tool::CxxCompiler, "g++"),
        (Tool::Make, "make"),
        (Tool::Tar, "tar"),
        (Tool::Libc, "libc6-dev"),
    ],
    installed: r#"dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p'"#,
    install: r#"
      export DEBIAN_FRONTEND=noninteractive
      options='-y -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Dpkg::Use-Pty=0'
      apt-get $options --no-install-recommends install "$@" || {
        apt-get $options update && apt-get $options --no-install-recommends install "$@"
      }"#,
    remove: r#"
      export DEBIAN_FRONTEND=noninteractive
      apt-get -y -q -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 remove "$@""#,
}];

/// The entry for an `ID` of os-release; Ubuntu and others find it through their `ID_LIKE`.
pub fn find(id: &str) -> Option<&'static Distro> {
    DISTROS.iter().find(|distro| distro.id == id)
}

impl Distro {
    /// The package that provides a tool.
    pub fn package(&self, tool: Tool) -> Option<&'static str> {
        self.packages.iter().find(|(t, _)| *t == tool).map(|(_, name)| *name)
    }
}
