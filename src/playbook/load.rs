//! From a file, the project's own or the compiled-in one, to a checked flow.

use std::path::Path;

use super::{
    action::{BUILT_IN, Reader},
    flow::{Playbook, Step},
    order::{self, OrderedStep, Position},
    raw::{RawPlaybook, RawStep},
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

/// Parses a flow; `file` is what messages call it.
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
    let Read { value, problems, removed } = read::<RawPlaybook>(text);
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
    steps
        .into_iter()
        .map(|step| OrderedStep { step, name_at: 0..0, position: Position::InFileOrder })
        .collect()
}

fn step(
    written: &Spanned<RawStep>,
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
    let position = position(written, reader);
    let step = Step { name: name?.value.clone(), tags: reader.tags(&written.tags), action: action? };
    Some(OrderedStep { step, name_at: name?.span.clone(), position })
}

fn position(written: &RawStep, reader: &mut Reader<'_>) -> Position {
    if let (Some(builtin), Some(at)) = (&written.builtin, written.after.as_ref().or(written.before.as_ref()))
    {
        let problem = Problem::new("a built-in step has its own place").at(&at.span, "not for it");
        let help = "remove it: build, install, ship, configure, start, form and verify have this order";
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

/// Checks that each built-in step occurs once, and in their order.
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
            let problem = Problem::new(format!("the built-in step `{name}` occurs twice"));
            let problem = problem.at(&again.name_at, "again").at(&placed.name_at, "first here");
            problems.push(problem.help("remove one of the two"));
        }
        match last.filter(|(before, _)| *before > position) {
            Some((_, earlier)) => {
                let problem = Problem::new(format!("the built-in step `{name}` comes too early"));
                let problem =
                    problem.at(&placed.name_at, "this one").at(&earlier.name_at, "belongs before it");
                problems
                    .push(problem.help("the order is build, install, ship, configure, start, form, verify"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory::{self, Fold},
        playbook::Action,
    };

    fn playbook(text: &str) -> Result<Playbook, LoadError> {
        let inventory =
            "[cluster]\nname = \"t\"\nversion = \"7.0.15\"\n[[hosts]]\nname = \"h\"\naddress = \"local\"\n";
        let fleet = inventory::parse("/nowhere/x.toml", inventory, Fold::AsWritten).unwrap();
        parse(&fleet, "p", "p.toml", text)
    }

    fn messages(text: &str) -> Vec<String> {
        playbook(text).unwrap_err().problems().iter().map(ToString::to_string).collect()
    }

    /// The action of the only step of one's own.
    fn action(step: &str) -> Result<Action, Vec<String>> {
        let text = format!("extends = \"cluster\"\n[[step]]\nname = \"own\"\nafter = \"form\"\n{step}\n");
        let steps = playbook(&text).map(|playbook| playbook.steps);
        let own =
            |steps: Vec<Step>| steps.into_iter().find(|step| step.name == "own").map(|step| step.action);
        steps
            .map(|steps| own(steps).unwrap())
            .map_err(|error| error.problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_compiled_in_flow_is_the_built_in_steps_in_their_order() {
        let flow = playbook("extends = \"cluster\"\n").unwrap();
        let built_in: Vec<Action> = flow.steps.iter().map(|step| step.action.clone()).collect();
        assert_eq!(built_in, BUILT_IN.map(|(_, action)| action));
    }

    #[test]
    fn a_flow_without_the_built_in_steps_says_which_are_missing() {
        assert_eq!(
            messages("[[step]]\nname = \"motd\"\npackage = \"x\"\n"),
            ["built-in steps are missing: build, install, ship, configure, start, form, verify"]
        );
        assert_eq!(messages("extends = \"clster\"\n")[0], "there is no playbook `clster`");
    }

    #[test]
    fn a_package_is_a_name_or_several() {
        let names =
            |names: &[&str]| Action::Package { names: names.iter().map(|n| (*n).to_owned()).collect() };
        assert_eq!(action("package = \"chrony\""), Ok(names(&["chrony"])));
        assert_eq!(action("package = [\"a\", \"b\"]"), Ok(names(&["a", "b"])));
        assert_eq!(action("package = []").unwrap_err(), ["there is no package in the step"]);
        assert_eq!(action("package = \"--force\"").unwrap_err(), ["`--force` is not a package's name"]);
        assert_eq!(action("package = [\"a\", \"b c\"]").unwrap_err(), ["`b c` is not a package's name"]);
        assert_eq!(action("package = 7").unwrap_err(), ["`package` has the wrong type"]);
    }

    #[test]
    fn a_path_is_absolute_and_goes_nowhere_else() {
        for path in ["relative", "/a/../b", "/", "", "/a\\nb", "~/x"] {
            let problems = action(&format!("directory = {{ path = \"{path}\" }}")).unwrap_err();
            assert!(problems[0].ends_with("is not an absolute path"), "{path}: {problems:?}");
        }
        let directory = Action::Directory { path: "/srv/x".to_owned(), mode: 0o755, owner: None };
        assert_eq!(action("directory = { path = \"/srv/x\" }"), Ok(directory));
    }

    #[test]
    fn a_mode_is_three_or_four_octal_digits() {
        let mode = |mode: &str| action(&format!("directory = {{ path = \"/x\", mode = \"{mode}\" }}"));
        for (text, bits) in [("0644", 0o644), ("755", 0o755), ("1777", 0o1777)] {
            assert!(matches!(mode(text), Ok(Action::Directory { mode, .. }) if mode == bits), "{text}");
        }
        for text in ["", "64", "00644", "0844", "u+x", "-755"] {
            assert_eq!(mode(text).unwrap_err(), [format!("`{text}` is not a mode")]);
        }
    }

    #[test]
    fn every_wrong_part_of_a_step_is_reported_at_once() {
        let problems = action("file = { path = \"x\", mode = \"9\", owner = \"a b\" }").unwrap_err();
        assert_eq!(
            problems,
            [
                "`content` is missing",
                "`x` is not an absolute path",
                "`9` is not a mode",
                "`a b` is not an account's name"
            ]
        );
    }

    #[test]
    fn a_command_runs_something() {
        assert_eq!(action("command = { run = \" \" }").unwrap_err(), ["the command is empty"]);
        assert_eq!(action("command = {}").unwrap_err(), ["`run` is missing"]);
        let run = action("command = { run = \"id\", creates = \"/x\" }").unwrap();
        let creates = Some("/x".to_owned());
        assert_eq!(run, Action::Command { run: "id".to_owned(), creates, unless: None });
    }

    #[test]
    fn a_step_does_one_thing_under_a_name_of_its_own() {
        assert_eq!(action("package = \"a\"\nunit = \"b\"").unwrap_err(), ["a step does one thing"]);
        assert_eq!(action("").unwrap_err(), ["the step does nothing"]);
        let twice = "extends = \"cluster\"\n[[step]]\nname = \"form\"\npackage = \"x\"\n";
        assert_eq!(messages(twice), ["two steps are called `form`"]);
        let nameless = "extends = \"cluster\"\n[[step]]\npackage = \"x\"\n";
        assert_eq!(messages(nameless), ["`name` is missing"]);
    }

    #[test]
    fn a_tag_that_no_step_has_is_refused() {
        let text = "extends = \"cluster\"\n[[step]]\nname = \"motd\"\ntags = [\"texts\"]\npackage = \"x\"\n";
        let flow = playbook(text).unwrap();
        let refuse = |tags: &[&str]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            flow.refuse_unknown(&tags).map_err(|error| error.to_string())
        };
        assert_eq!(refuse(&[]), Ok(()));
        assert_eq!(refuse(&["texts", "motd", "form"]), Ok(()));
        assert_eq!(
            refuse(&["texts", "text"]),
            Err("no step of the playbook p has the name or tag `text`".to_owned())
        );
    }
}
