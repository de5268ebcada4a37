//! The playbook as it is written.

use serde::Deserialize;

use crate::{
    inventory::{Item, OneOrMany, Spanned},
    units::StepName,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawPlaybook {
    /// The compiled-in playbook these steps are added to.
    pub(super) extends: Option<Spanned<String>>,
    pub(super) step: Option<Vec<Spanned<RawStep>>>,
}

/// A step: `name`, where it goes, and exactly one of the other keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct RawStep {
    pub(super) name: Option<Spanned<StepName>>,
    pub(super) tags: Vec<Spanned<String>>,
    pub(super) after: Option<Spanned<StepName>>,
    pub(super) before: Option<Spanned<StepName>>,
    pub(super) builtin: Option<Spanned<String>>,
    pub(super) package: Option<Spanned<OneOrMany<PackageName>>>,
    pub(super) directory: Option<Spanned<DirectoryTable>>,
    pub(super) file: Option<Spanned<FileTable>>,
    pub(super) template: Option<Spanned<TemplateTable>>,
    pub(super) line: Option<Spanned<LineTable>>,
    pub(super) user: Option<Spanned<UserTable>>,
    pub(super) command: Option<Spanned<CommandTable>>,
    pub(super) unit: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path`")]
pub(super) struct DirectoryTable {
    pub(super) path: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path` and `content`")]
pub(super) struct FileTable {
    pub(super) path: Option<Spanned<String>>,
    pub(super) content: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path` and `source`")]
pub(super) struct TemplateTable {
    pub(super) path: Option<Spanned<String>>,
    /// The name of a file in a `templates/` folder.
    pub(super) source: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) owner: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path` and `line`")]
pub(super) struct LineTable {
    pub(super) path: Option<Spanned<String>>,
    pub(super) line: Option<Spanned<String>>,
    pub(super) absent: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `name`")]
pub(super) struct UserTable {
    pub(super) name: Option<Spanned<String>>,
    pub(super) home: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `run`")]
pub(super) struct CommandTable {
    pub(super) run: Option<Spanned<String>>,
    pub(super) creates: Option<Spanned<String>>,
    pub(super) unless: Option<Spanned<String>>,
}

/// The name of a package.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct PackageName(pub(super) String);

impl Item for PackageName {
    const EXPECTED: &'static str = "a name such as \"chrony\", or an array of names";
}
