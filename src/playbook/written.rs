//! The playbook as it is written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::inventory::At;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Written {
    /// The compiled-in playbook these steps are added to.
    pub(super) extends: Option<At<String>>,
    pub(super) step: Option<Vec<At<WrittenStep>>>,
}

/// A step: `name`, where it goes, and exactly one of the other keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct WrittenStep {
    pub(super) name: Option<At<String>>,
    pub(super) tags: Vec<At<String>>,
    pub(super) after: Option<At<String>>,
    pub(super) before: Option<At<String>>,
    pub(super) builtin: Option<At<String>>,
    pub(super) package: Option<At<Words>>,
    pub(super) directory: Option<At<DirectoryTable>>,
    pub(super) file: Option<At<FileTable>>,
    pub(super) template: Option<At<TemplateTable>>,
    pub(super) user: Option<At<UserTable>>,
    pub(super) command: Option<At<CommandTable>>,
    pub(super) unit: Option<At<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path`")]
pub(super) struct DirectoryTable {
    pub(super) path: Option<At<String>>,
    pub(super) mode: Option<At<String>>,
    pub(super) owner: Option<At<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path` and `content`")]
pub(super) struct FileTable {
    pub(super) path: Option<At<String>>,
    pub(super) content: Option<At<String>>,
    pub(super) mode: Option<At<String>>,
    pub(super) owner: Option<At<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `path` and `source`")]
pub(super) struct TemplateTable {
    pub(super) path: Option<At<String>>,
    /// The name of a file in a `templates/` folder.
    pub(super) source: Option<At<String>>,
    pub(super) mode: Option<At<String>>,
    pub(super) owner: Option<At<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `name`")]
pub(super) struct UserTable {
    pub(super) name: Option<At<String>>,
    pub(super) home: Option<At<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table with `run`")]
pub(super) struct CommandTable {
    pub(super) run: Option<At<String>>,
    pub(super) creates: Option<At<String>>,
    pub(super) unless: Option<At<String>>,
}

/// One word, or an array of them.
#[derive(Debug)]
pub(super) enum Words {
    One(String),
    Many(Vec<At<String>>),
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name such as \"chrony\", or an array of names")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(Words::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Words, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Words::Many(all))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}
