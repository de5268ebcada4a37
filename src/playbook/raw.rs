//! The playbook as it is written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use crate::inventory::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Written {
    /// The compiled-in playbook these steps are added to.
    pub(super) extends: Option<Spanned<String>>,
    pub(super) step: Option<Vec<Spanned<WrittenStep>>>,
}

/// A step: `name`, where it goes, and exactly one of the other keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct WrittenStep {
    pub(super) name: Option<Spanned<String>>,
    pub(super) tags: Vec<Spanned<String>>,
    pub(super) after: Option<Spanned<String>>,
    pub(super) before: Option<Spanned<String>>,
    pub(super) builtin: Option<Spanned<String>>,
    pub(super) package: Option<Spanned<Words>>,
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

/// One word, or an array of them.
#[derive(Debug)]
pub(super) enum Words {
    One(String),
    Many(Vec<Spanned<String>>),
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
