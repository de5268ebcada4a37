//! Checks the map of ARCHITECTURE.md: the order of the rooms, no circle of files, libraries and printing
//! where they belong, the words of docs/glossary.md. It reads the source as the compiler does, without root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario ends where an expectation fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

/// The rooms, in the order of use: a room uses only rooms after it.
const ROOMS: [&str; 22] = [
    "cli",
    "report",
    "run",
    "plan",
    "inspect",
    "cluster",
    "resource",
    "redis",
    "artifact",
    "lab",
    "host",
    "distro",
    "playbook",
    "inventory",
    "cache_dir",
    "event",
    "secret",
    "hashed_copy",
    "atomic_file",
    "digest",
    "units",
    "mutated",
];

/// Rooms that stand beside each other: neither uses the other.
const BESIDE: [(&str, &str); 1] = [("lab", "host")];

/// Crates that only some folders may use.
const CONFINED: [(&str, &[&str]); 5] = [
    ("russh", &["src/host/ssh/"]),
    ("redis", &["src/redis/"]),
    ("owo_colors", &["src/report/", "src/cli/"]),
    ("anstream", &["src/report/", "src/cli/"]),
    ("indicatif", &["src/report/"]),
];

/// Macros that print, and the only places that may call them.
const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
const MAY_PRINT: [&str; 3] = ["src/report/", "src/cli/", "src/main.rs"];

/// Words this project used before it had a glossary; each has a term of the field now.
const REFUSED: [&str; 11] = [
    "Parcel",
    "Gate",
    "how_far",
    "Situation",
    "said.rs",
    "words.rs",
    "twin",
    "everywhere",
    "Homeless",
    "are told",
    "artefact",
];

/// How wide a comment may be: what rustfmt keeps code to.
const WIDTH: usize = 110;

/// One source file: its module path, and the paths it names.
struct Module {
    file: PathBuf,
    path: Vec<String>,
    /// Paths outside of re-exports, from the root of the crate, or from the name of another crate.
    uses: BTreeSet<Vec<String>>,
    /// What `pub use` makes of names: the name, and the path it stands for.
    exports: BTreeMap<String, Vec<String>>,
    /// `pub use path::*`.
    globs: Vec<Vec<String>>,
    macros: BTreeSet<String>,
}

fn source_files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no {extension} file below {folder}");
    files
}

/// `src/host/ssh/mod.rs` → `host`, `ssh`.
fn module_path(file: &Path) -> Vec<String> {
    let inner = file.strip_prefix("src").unwrap().with_extension("");
    let mut path: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    path
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "test")
    })
}

/// Collects what a file names.
struct Reader<'a> {
    module: &'a mut Module,
}

impl Reader<'_> {
    /// A path as it stands, from the root of the crate.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut base = self.module.path.clone();
        let mut rest = segments;
        match segments.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => return None,
        }
        base.extend_from_slice(rest);
        Some([vec!["crate".to_owned()], base].concat())
    }

    fn name(&mut self, segments: &[String]) {
        let path = self.absolute(segments).unwrap_or_else(|| segments.to_vec());
        self.module.uses.insert(path);
    }

    fn use_tree(&mut self, tree: &UseTree, mut before: Vec<String>, is_export: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(&path.tree, before, is_export);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, before.clone(), is_export);
                }
            }
            UseTree::Glob(_) if is_export => self.module.globs.extend(self.absolute(&before)),
            UseTree::Glob(_) => self.name(&before),
            UseTree::Name(name) => self.use_name(&name.ident.to_string(), None, before, is_export),
            UseTree::Rename(rename) => {
                let alias = rename.rename.to_string();
                self.use_name(&rename.ident.to_string(), Some(alias), before, is_export);
            }
        }
    }

    fn use_name(&mut self, name: &str, alias: Option<String>, mut before: Vec<String>, is_export: bool) {
        if name != "self" {
            before.push(name.to_owned());
        }
        let known_as = alias.unwrap_or_else(|| before.last().cloned().unwrap_or_default());
        // A module names its own children without a prefix.
        let absolute = self.absolute(&before);
        if is_export {
            let own = [vec!["crate".to_owned()], self.module.path.clone(), before.clone()].concat();
            self.module.exports.insert(known_as, absolute.unwrap_or(own));
        } else {
            self.name(&before);
        }
    }

    /// Paths inside macros, which are tokens and not yet code.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    path.push(ident.to_string());
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => continue,
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
            self.name_if_rooted(&path);
            path.clear();
        }
        self.name_if_rooted(&path);
    }

    fn name_if_rooted(&mut self, path: &[String]) {
        if let Some(at) = path.iter().rposition(|word| word == "crate" || word == "super")
            && path.len() > at + 1
        {
            self.name(&path[at..]);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            _ => &[],
        };
        if is_test(attributes) {
            return;
        }
        if let Item::Use(it) = item {
            let is_export = !matches!(it.vis, syn::Visibility::Inherited);
            self.use_tree(&it.tree, Vec::new(), is_export);
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        if let syn::Stmt::Item(Item::Use(it)) = statement {
            self.use_tree(&it.tree, Vec::new(), false);
            return;
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if segments.len() > 1 {
            self.name(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.module.macros.extend(it.path.segments.last().map(|part| part.ident.to_string()));
        self.tokens(it.tokens.clone());
        visit::visit_macro(self, it);
    }
}

/// Whether a file is part of another one's `#[cfg(test)]` module.
fn is_test_file(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    name == "tests.rs" || name == "testing.rs" || file.iter().any(|part| part == "tests" || part == "testing")
}

fn read(file: PathBuf) -> Module {
    let text = fs::read_to_string(&file).unwrap();
    let path = module_path(&file);
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut module = Module {
        file,
        path,
        uses: BTreeSet::new(),
        exports: BTreeMap::new(),
        globs: Vec::new(),
        macros: BTreeSet::new(),
    };
    Reader { module: &mut module }.visit_file(&parsed);
    module
}

/// All modules by their path from the root.
fn modules() -> BTreeMap<Vec<String>, Module> {
    let files = source_files("src", "rs").into_iter().filter(|file| !is_test_file(file));
    let files = files.filter(|file| file != Path::new("src/main.rs"));
    files.map(read).map(|module| ([vec!["crate".to_owned()], module.path.clone()].concat(), module)).collect()
}

/// The module a path leads to, behind re-exports.
fn resolve(modules: &BTreeMap<Vec<String>, Module>, path: &[String], depth: usize) -> Option<Vec<String>> {
    let longest = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module, rest) = (&path[..longest], &path[longest..]);
    let (Some(name), true) = (rest.first(), depth < 8) else { return Some(module.to_vec()) };
    let source = &modules[module];
    if let Some(target) = source.exports.get(name) {
        return resolve(modules, target, depth + 1);
    }
    Some(module.to_vec())
}

fn own_path(module: &Module) -> Vec<String> {
    [vec!["crate".to_owned()], module.path.clone()].concat()
}

fn room(path: &[String]) -> Option<&str> {
    path.get(1).map(String::as_str)
}

#[test]
fn rooms_are_used_in_one_direction() {
    let modules = modules();
    let mut wrong = BTreeSet::new();
    for module in modules.values() {
        let own = own_path(module);
        let Some(from) = room(&own) else { continue };
        let place = ROOMS.iter().position(|room| *room == from);
        let place = place.unwrap_or_else(|| panic!("{} is in no room of the map", module.file.display()));
        let exported = module.exports.values().chain(&module.globs);
        for path in module.uses.iter().chain(exported).filter(|path| path[0] == "crate") {
            let Some(to) = room(path).filter(|to| *to != from) else { continue };
            let Some(there) = ROOMS.iter().position(|room| *room == to) else { continue };
            if there < place || BESIDE.contains(&(from, to)) {
                wrong.insert(format!("{} uses {}", module.file.display(), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of rooms:\n{}", lines(&wrong));
}

#[test]
fn no_two_files_use_each_other_in_a_circle() {
    let modules = modules();
    let edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = modules
        .values()
        .map(|module| {
            let own = own_path(module);
            let uses = module.uses.iter().filter(|path| path[0] == "crate");
            let targets: BTreeSet<_> = uses
                .filter_map(|path| resolve(&modules, path, 0))
                .filter(|to| *to != own && to.len() > 1)
                .collect();
            (own, targets)
        })
        .collect();
    let mut wrong = BTreeSet::new();
    for start in edges.keys() {
        if let Some(circle) = circle(&edges, start) {
            wrong.insert(circle.iter().map(|path| path[1..].join("/")).collect::<Vec<_>>().join(" → "));
        }
    }
    assert!(wrong.is_empty(), "circles, each shown from each of its files:\n{}", lines(&wrong));
}

/// The shortest way from a module back to itself.
fn circle(
    edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
    start: &[String],
) -> Option<Vec<Vec<String>>> {
    let mut before: BTreeMap<&[String], &[String]> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![start.to_vec()];
                let mut back = at;
                while back != start {
                    way.insert(0, back.to_vec());
                    back = before[back];
                }
                way.insert(0, start.to_vec());
                return Some(way);
            }
            if !before.contains_key(next.as_slice()) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

#[test]
fn libraries_stay_in_the_rooms_that_hide_them() {
    let modules = modules();
    let mut wrong = BTreeSet::new();
    for module in modules.values() {
        let file = module.file.display().to_string();
        // A room of that name may have been brought into scope by `use crate::…::{self}`.
        let shadows = |name: &str| {
            module.uses.iter().any(|path| path[0] == "crate" && path.last().is_some_and(|last| last == name))
        };
        for (library, folders) in CONFINED {
            let names = module.uses.iter().any(|path| path[0] == library && !shadows(library));
            if names && !folders.iter().any(|folder| file.starts_with(folder)) {
                wrong.insert(format!(
                    "{file} uses the crate {library}, which belongs to {}",
                    folders.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", lines(&wrong));
}

#[test]
fn only_report_and_cli_print() {
    let modules = modules();
    let mut wrong = BTreeSet::new();
    for module in modules.values() {
        let file = module.file.display().to_string();
        if !MAY_PRINT.iter().any(|folder| file.starts_with(folder)) {
            let printing = module.macros.iter().filter(|name| PRINTING.contains(&name.as_str()));
            wrong.extend(printing.map(|name| format!("{file} calls {name}!")));
        }
    }
    assert!(wrong.is_empty(), "{}", lines(&wrong));
}

#[test]
fn there_is_one_module_style() {
    let beside = source_files("src", "rs").into_iter().filter(|file| file.with_extension("").is_dir());
    let beside: BTreeSet<String> = beside.map(|file| file.display().to_string()).collect();
    assert!(beside.is_empty(), "these belong into their folders as mod.rs:\n{}", lines(&beside));
}

#[test]
fn the_words_of_the_glossary_are_used() {
    let mut texts = source_files("src", "rs");
    texts.extend(source_files("src", "sh"));
    texts.extend(source_files("docs", "md"));
    texts.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from));
    let mut wrong = BTreeSet::new();
    for file in texts {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            for word in REFUSED.iter().filter(|word| holds_word(line, word)) {
                wrong.insert(format!("{}:{} says {word:?}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/glossary.md has better words:\n{}", lines(&wrong));
}

/// Whether a line has the word, and not only as a part of another one.
fn holds_word(line: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_letter) && !after.is_some_and(is_letter)
    })
}

#[test]
fn comments_are_no_wider_than_code() {
    let mut wrong = BTreeSet::new();
    for file in source_files("src", "rs").into_iter().chain(source_files("tests", "rs")) {
        let text = fs::read_to_string(&file).unwrap();
        let wide = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim_start().starts_with("//") && line.chars().count() > WIDTH);
        wrong.extend(wide.map(|(number, _)| format!("{}:{}", file.display(), number + 1)));
    }
    assert!(wrong.is_empty(), "comments wider than {WIDTH}:\n{}", lines(&wrong));
}

fn lines(all: &BTreeSet<String>) -> String {
    all.iter().map(|line| format!("  {line}\n")).collect()
}
