//! From a file, the project's own or the compiled-in one, to a checked flow.

use std::path::Path;

use super::{
    Playbook, Step,
    action::{BUILT_IN, Reader},
    order::{self, OrderedStep, Position},
    raw::{Written, WrittenStep},
    templates,
};
use crate::inventory::{Fleet, LoadError, Problem, Read, Spanned, read, suggest};

/// The flows that are compiled in.
const COMPILED_IN: &[(&str, &str)] = &[("cluster", include_str!("../../playbooks/cluster.toml"))];

/// Loads a flow by its name: the project's own file, or else the compiled-in one.
pub fn load(fleet: &Fleet, name: &str) -> Result<Playbook, LoadError> {
    let file = Path::new("playbooks").join(format!("{name}.toml"));
    let alone = |problem| LoadError::new(&file.display().to_string(), "", vec![problem]);
    if let Some((path, text)) = templates::own(fleet, &file).map_err(alone)? {
        return parse(fleet, name, &path.display().to_string(), &text);
    }
    match compiled_in(name) {
        Some(text) => parse(fleet, name, &format!("built-in {}", file.display()), text),
        None => Err(alone(unknown(name))),
    }
}

/// Parses a flow that `file` stands for in messages.
pub fn parse(fleet: &Fleet, name: &str, file: &str, text: &str) -> Result<Playbook, LoadError> {
    steps(fleet, text)
        .map(|steps| Playbook { name: name.to_owned(), steps })
        .map_err(|problems| LoadError::new(file, text, problems))
}

fn compiled_in(name: &str) -> Option<&'static str> {
    COMPILED_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn unknown(name: &str) -> Problem {
    let known: Vec<&str> = COMPILED_IN.iter().map(|(name, _)| *name).collect();
    Problem::new(format!("there is no playbook `{}`", name.escape_debug())).help(suggest(name, &known))
}

fn steps(fleet: &Fleet, text: &str) -> Result<Vec<Step>, Vec<Problem>> {
    let Read { value, problems, removed } = read::<Written>(text);
    let mut reader = Reader { fleet, problems };
    let Some(written) = value else { return Err(reader.problems) };
    let base = match &written.extends {
        Some(name) => base(fleet, name, &mut reader),
        None => Vec::new(),
    };
    let own: Vec<OrderedStep> = written
        .step
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, step)| {
            let lost = removed.iter().any(|path| path.get(1) == Some(&index.to_string()));
            self::step(step, lost, written.extends.is_some(), &mut reader)
        })
        .collect();
    // A step that could not be read is no reason to call others misplaced.
    if !reader.problems.is_empty() {
        unique(&base, &own, &mut reader);
        return Err(reader.problems);
    }
    unique(&base, &own, &mut reader);
    let ordered = order::arrange(base, own, &mut reader.problems);
    complete(&ordered, &mut reader.problems);
    if reader.problems.is_empty() {
        Ok(ordered.into_iter().map(|placed| placed.step).collect())
    } else {
        Err(reader.problems)
    }
}

/// The steps of the compiled-in playbook, whatever the project has under its name.
fn base(fleet: &Fleet, name: &Spanned<String>, reader: &mut Reader<'_>) -> Vec<OrderedStep> {
    let Some(text) = compiled_in(name) else {
        reader.problems.push(unknown(name).at(&name.span, "nothing to extend"));
        return Vec::new();
    };
    let steps = steps(fleet, text).unwrap_or_default();
    steps.into_iter().map(|step| OrderedStep { step, name_at: 0..0, place: Position::InFileOrder }).collect()
}

fn step(
    written: &Spanned<WrittenStep>,
    lost: bool,
    extends: bool,
    reader: &mut Reader<'_>,
) -> Option<OrderedStep> {
    let name = written.name.as_ref().filter(|name| !name.trim().is_empty());
    if name.is_none() && !lost {
        let problem = Problem::new("`name` is missing").at(&written.span, "not in this step");
        reader.problems.push(problem.help("give the step a name of its own: name = \"motd\""));
    }
    let before = reader.problems.len();
    let action = reader.action(written);
    if action.is_none() && !lost && reader.problems.len() == before {
        let problem = Problem::new("the step does nothing").at(&written.span, "no action");
        let kinds = "builtin, package, directory, file, template, user, command or unit";
        reader.problems.push(problem.help(format!("add one of {kinds}")));
    }
    if let Some(builtin) = written.builtin.as_ref().filter(|_| extends) {
        let problem =
            Problem::new("the built-in steps are there already").at(&builtin.span, "from `extends`");
        reader
            .problems
            .push(problem.help("remove this step, or `extends`, to write the whole flow yourself"));
    }
    let place = place(written, reader);
    let step = Step { name: name?.value.clone(), tags: reader.tags(&written.tags), action: action? };
    Some(OrderedStep { step, name_at: name?.span.clone(), place })
}

fn place(written: &WrittenStep, reader: &mut Reader<'_>) -> Position {
    if let (Some(builtin), Some(at)) = (&written.builtin, written.after.as_ref().or(written.before.as_ref()))
    {
        let problem = Problem::new("a built-in step has its own place").at(&at.span, "not for it");
        let help = "remove it: build, install, configure, ship, start, form and verify stand in this order";
        reader.problems.push(problem.at(&builtin.span, "built in").help(help));
    }
    match (&written.after, &written.before) {
        (Some(after), Some(before)) => {
            let problem = Problem::new("a step has one place").at(&before.span, "and before this one");
            reader
                .problems
                .push(problem.at(&after.span, "after this one").help("keep one of `after` and `before`"));
            Position::InFileOrder
        }
        (Some(after), None) => Position::After(after.clone()),
        (None, Some(before)) => Position::Before(before.clone()),
        (None, None) => Position::InFileOrder,
    }
}

fn unique(base: &[OrderedStep], own: &[OrderedStep], reader: &mut Reader<'_>) {
    for (index, placed) in own.iter().enumerate() {
        let same = |other: &&OrderedStep| other.step.name == placed.step.name;
        let problem = Problem::new(format!("two steps are called `{}`", placed.step.name));
        if let Some(first) = own[..index].iter().find(same) {
            let problem = problem.at(&placed.name_at, "again").at(&first.name_at, "first here");
            reader.problems.push(problem.help("give each step a name of its own"));
        } else if base.iter().any(|other| same(&other)) {
            let problem = problem.at(&placed.name_at, "a built-in step has this name");
            reader.problems.push(problem.help("give the step another name"));
        }
    }
}

/// The built-in steps stand once each, in their order.
fn complete(steps: &[OrderedStep], problems: &mut Vec<Problem>) {
    let mut missing = Vec::new();
    let mut last: Option<(usize, &OrderedStep)> = None;
    for (name, action) in &BUILT_IN {
        let mut found = steps.iter().enumerate().filter(|(_, placed)| placed.step.action == *action);
        let Some((position, placed)) = found.next() else {
            missing.push(*name);
            continue;
        };
        for (_, again) in found {
            let problem = Problem::new(format!("the built-in step `{name}` stands twice"));
            let problem = problem.at(&again.name_at, "again").at(&placed.name_at, "first here");
            problems.push(problem.help("remove one of the two"));
        }
        match last.filter(|(before, _)| *before > position) {
            Some((_, earlier)) => {
                let problem = Problem::new(format!("the built-in step `{name}` comes too early"));
                let problem =
                    problem.at(&placed.name_at, "this one").at(&earlier.name_at, "belongs before it");
                problems
                    .push(problem.help("the order is build, install, configure, ship, start, form, verify"));
            }
            None => last = Some((position, placed)),
        }
    }
    if !missing.is_empty() {
        let problem = Problem::new(format!("built-in steps are missing: {}", missing.join(", ")));
        let problem = problem.at(&(0..0), "in this file");
        problems
            .push(problem.help(
                "start the file with extends = \"cluster\", or add a [[step]] with `builtin` for each",
            ));
    }
}
