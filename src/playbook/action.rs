//! What a step does, checked as far as a file by itself can be checked.

use std::ops::Range;

use super::{
    flow::Action,
    raw::{
        CommandTable, DirectoryTable, FileTable, LineTable, PackageName, RawStep, TemplateTable, UserTable,
    },
    templates,
};
use crate::inventory::{Fleet, OneOrMany, Problem, Spanned, suggest};

/// The built-in actions, in the order they must have.
pub(super) const BUILT_IN: [(&str, Action); 7] = [
    ("build", Action::Build),
    ("install", Action::Install),
    ("ship", Action::Ship),
    ("configure", Action::Configure),
    ("start", Action::Start),
    ("form", Action::Form),
    ("verify", Action::Verify),
];

/// Reads actions and collects what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The step's action, if it is complete and right.
    pub(super) fn action(&mut self, step: &Spanned<RawStep>) -> Option<Action> {
        let actions = [
            step.builtin.as_ref().map(|it| (&it.span, self.builtin(it))),
            step.package.as_ref().map(|it| (&it.span, self.package(it))),
            step.directory.as_ref().map(|it| (&it.span, self.directory(it))),
            step.file.as_ref().map(|it| (&it.span, self.file(it))),
            step.template.as_ref().map(|it| (&it.span, self.template(it))),
            step.line.as_ref().map(|it| (&it.span, self.line(it))),
            step.user.as_ref().map(|it| (&it.span, self.user(it))),
            step.command.as_ref().map(|it| (&it.span, self.command(it))),
            step.unit.as_ref().map(|it| {
                (&it.span, self.word("a unit's name", it, &it.span).map(|name| Action::Unit { name }))
            }),
        ];
        let mut actions = actions.into_iter().flatten();
        let (first, action) = actions.next()?;
        if let Some((second, _)) = actions.next() {
            let problem =
                Problem::new("a step does one thing").at(second, "a second action").at(first, "the first");
            self.problems.push(problem.help("make two steps of it, the second with `after`"));
        }
        action
    }

    /// A tag is a word of a comma-separated list on the command line.
    pub(super) fn tags(&mut self, tags: &[Spanned<String>]) -> Vec<String> {
        tags.iter().filter_map(|tag| self.word("a tag", tag, &tag.span)).collect()
    }

    fn report(&mut self, what: impl Into<String>, span: &Range<usize>, label: &str, help: impl Into<String>) {
        self.problems.push(Problem::new(what).at(span, label).help(help));
    }

    fn required<'t>(
        &mut self,
        key: &str,
        value: Option<&'t Spanned<String>>,
        table: &Range<usize>,
    ) -> Option<&'t Spanned<String>> {
        if value.is_none() {
            let what = format!("`{key}` is missing");
            self.report(what, table, "not in this table", format!("add {key} = \"…\""));
        }
        value
    }

    fn builtin(&mut self, name: &Spanned<String>) -> Option<Action> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name.value).map(|(_, action)| action.clone());
        if found.is_none() {
            let help = suggest(name, &BUILT_IN.map(|(known, _)| known));
            self.report(format!("there is no built-in step `{}`", name.value), &name.span, "unknown", help);
        }
        found
    }

    fn package(&mut self, words: &Spanned<OneOrMany<PackageName>>) -> Option<Action> {
        let names: Vec<Option<String>> = match &words.value {
            OneOrMany::One(name) => vec![self.word("a package's name", &name.0, &words.span)],
            OneOrMany::Many(names) => {
                names.iter().map(|name| self.word("a package's name", &name.0, &name.span)).collect()
            }
        };
        if names.is_empty() {
            self.report(
                "there is no package in the step",
                &words.span,
                "empty",
                "name one, or remove the step",
            );
            return None;
        }
        names.into_iter().collect::<Option<_>>().map(|names| Action::Package { names })
    }

    fn directory(&mut self, table: &Spanned<DirectoryTable>) -> Option<Action> {
        let path = self.path("path", table.path.as_ref(), &table.span);
        let mode = self.mode(table.mode.as_ref(), 0o755);
        let owner = self.owner(table.owner.as_ref());
        Some(Action::Directory { path: path?, mode: mode?, owner: owner? })
    }

    fn file(&mut self, table: &Spanned<FileTable>) -> Option<Action> {
        let path = self.path("path", table.path.as_ref(), &table.span);
        let content = self.required("content", table.content.as_ref(), &table.span);
        let mode = self.mode(table.mode.as_ref(), 0o644);
        let owner = self.owner(table.owner.as_ref());
        Some(Action::File { path: path?, content: content?.value.clone(), mode: mode?, owner: owner? })
    }

    fn template(&mut self, table: &Spanned<TemplateTable>) -> Option<Action> {
        let path = self.path("path", table.path.as_ref(), &table.span);
        let name = self.required("source", table.source.as_ref(), &table.span);
        let found = name.and_then(|name| match templates::find(self.fleet, name) {
            Ok(found) => Some(found),
            Err(problem) => {
                self.problems.push(problem.at(&name.span, "not found"));
                None
            }
        });
        let mode = self.mode(table.mode.as_ref(), 0o644);
        let owner = self.owner(table.owner.as_ref());
        let found = found?;
        let (template, source) = (found.text, found.source);
        Some(Action::Template { path: path?, template, source, mode: mode?, owner: owner? })
    }

    fn line(&mut self, table: &Spanned<LineTable>) -> Option<Action> {
        let path = self.path("path", table.path.as_ref(), &table.span);
        let line = self.required("line", table.line.as_ref(), &table.span);
        if let Some(text) = line.filter(|text| text.is_empty() || text.chars().any(char::is_control)) {
            let what = format!("`{}` is not one line", text.escape_debug());
            self.report(what, &text.span, "a whole line without its end", "write one step for each line");
            return None;
        }
        Some(Action::Line { path: path?, line: line?.value.clone(), absent: table.absent.unwrap_or(false) })
    }

    fn user(&mut self, table: &Spanned<UserTable>) -> Option<Action> {
        let name = self.required("name", table.name.as_ref(), &table.span);
        let name = name.and_then(|name| self.word("an account's name", name, &name.span));
        let home = table.home.as_ref().map(|home| self.path("home", Some(home), &table.span));
        match home {
            Some(home) => Some(Action::User { name: name?, home: Some(home?) }),
            None => Some(Action::User { name: name?, home: None }),
        }
    }

    fn command(&mut self, table: &Spanned<CommandTable>) -> Option<Action> {
        let run = self.required("run", table.run.as_ref(), &table.span);
        for guard in [&table.run, &table.unless].into_iter().flatten().filter(|text| text.trim().is_empty()) {
            self.report("the command is empty", &guard.span, "nothing to run", "write a shell command");
        }
        let creates = table.creates.as_ref().map(|path| self.path("creates", Some(path), &table.span));
        let creates = match creates {
            Some(path) => Some(path?),
            None => None,
        };
        let unless = table.unless.as_ref().map(|unless| unless.value.clone());
        Some(Action::Command { run: run?.value.clone(), creates, unless })
    }

    fn path(&mut self, key: &str, path: Option<&Spanned<String>>, table: &Range<usize>) -> Option<String> {
        let path = self.required(key, path, table)?;
        let parts: Vec<&str> = path.split('/').collect();
        if !path.starts_with('/')
            || parts.contains(&"..")
            || path.chars().any(char::is_control)
            || path.value == "/"
        {
            let help = format!("start at the root, without `..`, such as {key} = \"/etc/motd\"");
            self.report(
                format!("`{}` is not an absolute path", path.escape_debug()),
                &path.span,
                "on the host",
                help,
            );
            return None;
        }
        Some(path.value.clone())
    }

    fn mode(&mut self, mode: Option<&Spanned<String>>, default: u32) -> Option<u32> {
        let Some(mode) = mode else { return Some(default) };
        let octal = mode.chars().all(|digit| digit.is_digit(8)) && (3..=4).contains(&mode.len());
        if let Some(bits) = u32::from_str_radix(mode, 8).ok().filter(|_| octal) {
            return Some(bits);
        }
        let what = format!("`{}` is not a mode", mode.escape_debug());
        self.report(what, &mode.span, "three or four octal digits", "such as mode = \"0644\"");
        None
    }

    /// `None` where it is wrong, `Some(None)` where it is not given.
    #[expect(clippy::option_option, reason = "wrong and absent are two answers")]
    fn owner(&mut self, owner: Option<&Spanned<String>>) -> Option<Option<String>> {
        match owner {
            Some(owner) => self.word("an account's name", owner, &owner.span).map(Some),
            None => Some(None),
        }
    }

    /// A name that becomes an argument of a command: one word, and not an option.
    fn word(&mut self, what: &str, word: &str, span: &Range<usize>) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:@".contains(c);
        if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
            return Some(word.to_owned());
        }
        let problem = format!("`{}` is not {what}", word.escape_debug());
        self.report(problem, span, "letters, digits and `._-+:@`", "write one name");
        None
    }
}
