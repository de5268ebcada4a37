//! Puts steps into their order.

use std::ops::Range;

use super::flow::Step;
use crate::{
    inventory::{Problem, Spanned, did_you_mean},
    units::StepName,
};

/// A step, where its name is written, and its position.
#[derive(Debug, Clone)]
pub(super) struct OrderedStep {
    pub(super) step: Step,
    pub(super) name_at: Range<usize>,
    pub(super) position: Position,
}

#[derive(Debug, Clone)]
pub(super) enum Position {
    /// In the order of the file.
    InFileOrder,
    After(Spanned<StepName>),
    Before(Spanned<StepName>),
}

impl Position {
    fn target(&self) -> Option<&Spanned<StepName>> {
        match self {
            Self::InFileOrder => None,
            Self::After(target) | Self::Before(target) => Some(target),
        }
    }
}

/// The steps that stay in the order of the file, and the others next to them. Steps with the same position
/// keep the order of the file.
pub(super) fn arrange(
    base: Vec<OrderedStep>,
    own: Vec<OrderedStep>,
    problems: &mut Vec<Problem>,
) -> Vec<OrderedStep> {
    let (mut waiting, here): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|step| step.position.target().is_some());
    let mut flow: Vec<OrderedStep> = base.into_iter().chain(here).collect();
    loop {
        let before = waiting.len();
        for step in std::mem::take(&mut waiting) {
            match index(&flow, &step.position) {
                Some(index) => flow.insert(index, step),
                None => waiting.push(step),
            }
        }
        if waiting.len() == before {
            break;
        }
    }
    problems.extend(waiting.iter().map(|step| lost(step, &flow, &waiting)));
    flow
}

fn index(flow: &[OrderedStep], position: &Position) -> Option<usize> {
    let target = position.target()?;
    let at = flow.iter().position(|step| step.step.name == target.value)?;
    if matches!(position, Position::Before(_)) {
        return Some(at);
    }
    let mut chain = vec![target.as_str()];
    let followers = flow[at + 1..].iter().take_while(|other| follows(other, &mut chain)).count();
    Some(at + 1 + followers)
}

/// Whether a step was put after the target, or after a step that was: what comes next goes after it, too.
fn follows<'a>(step: &'a OrderedStep, chain: &mut Vec<&'a str>) -> bool {
    let follows = matches!(&step.position, Position::After(target) if chain.contains(&target.as_str()));
    if follows {
        chain.push(&step.step.name);
    }
    follows
}

fn lost(step: &OrderedStep, flow: &[OrderedStep], waiting: &[OrderedStep]) -> Problem {
    let Some(target) = step.position.target() else { return Problem::new("a step has no position") };
    let name = target.as_str();
    if waiting.iter().any(|other| other.step.name == name) {
        let problem = Problem::new(format!("`{}` and `{name}` wait for each other", step.step.name));
        return problem
            .at(&target.span, "goes round in a circle")
            .help("place one of them next to a built-in step");
    }
    let names: Vec<&str> = flow.iter().chain(waiting).map(|step| step.step.name.as_str()).collect();
    let help = match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the steps are {}", names.join(", ")),
    };
    Problem::new(format!("there is no step `{name}`")).at(&target.span, "unknown step").help(help)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::playbook::Action;

    fn step(name: &str, position: Position) -> OrderedStep {
        let step = Step { name: name.into(), tags: Vec::new(), action: Action::Build };
        OrderedStep { step, name_at: 0..0, position }
    }

    fn target(name: &str) -> Spanned<StepName> {
        Spanned { value: name.into(), span: 0..1 }
    }

    fn after(name: &str, other: &str) -> OrderedStep {
        step(name, Position::After(target(other)))
    }

    fn before(name: &str, other: &str) -> OrderedStep {
        step(name, Position::Before(target(other)))
    }

    fn base() -> Vec<OrderedStep> {
        ["one", "two", "three"].map(|name| step(name, Position::InFileOrder)).into()
    }

    /// The names in their order, and what is wrong.
    fn arranged(own: Vec<OrderedStep>) -> (String, Vec<String>) {
        let mut problems = Vec::new();
        let steps = arrange(base(), own, &mut problems);
        let names: Vec<&str> = steps.iter().map(|step| step.step.name.as_str()).collect();
        (names.join(" "), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn steps_without_a_position_come_last_in_the_order_of_the_file() {
        let own = ["b", "a"].map(|name| step(name, Position::InFileOrder));
        assert_eq!(arranged(own.into()), ("one two three b a".to_owned(), Vec::new()));
    }

    #[test]
    fn steps_with_the_same_position_keep_the_order_of_the_file() {
        let own = vec![after("a", "one"), after("b", "one"), before("c", "three"), before("d", "three")];
        assert_eq!(arranged(own).0, "one a b two c d three");
    }

    #[test]
    fn a_step_may_follow_one_that_is_written_below_it() {
        assert_eq!(arranged(vec![after("a", "b"), after("b", "one")]).0, "one b a two three");
        let chain = vec![after("a", "one"), after("b", "a"), after("c", "one")];
        assert_eq!(arranged(chain).0, "one a b c two three");
    }

    #[test]
    fn a_circle_and_an_unknown_target_are_reported() {
        let (names, problems) = arranged(vec![after("a", "b"), before("b", "a")]);
        assert_eq!(names, "one two three");
        assert_eq!(problems, ["`a` and `b` wait for each other", "`b` and `a` wait for each other"]);
        let (_, problems) = arranged(vec![after("a", "thre")]);
        assert_eq!(problems, ["there is no step `thre`"]);
    }

    proptest! {
        #[test]
        fn every_step_is_there_once_and_on_the_right_side_of_its_target(
            choices in prop::collection::vec((any::<bool>(), 0usize..3), 0..10)
        ) {
            let targets = ["one", "two", "three"];
            let own = choices.iter().enumerate().map(|(index, (is_after, target))| {
                let name = format!("own-{index}");
                if *is_after { after(&name, targets[*target]) } else { before(&name, targets[*target]) }
            });
            let (names, problems) = arranged(own.collect());
            prop_assert_eq!(problems, Vec::<String>::new());
            let names: Vec<&str> = names.split(' ').collect();
            prop_assert_eq!(names.len(), 3 + choices.len());
            let at = |name: &str| names.iter().position(|other| *other == name).unwrap();
            prop_assert!(at("one") < at("two") && at("two") < at("three"));
            for (index, (is_after, target)) in choices.iter().enumerate() {
                let own = at(&format!("own-{index}"));
                prop_assert_eq!(own > at(targets[*target]), *is_after);
                for (other, choice) in choices.iter().enumerate().skip(index + 1) {
                    if *choice == (*is_after, *target) {
                        let other = format!("own-{other}");
                        prop_assert!(own < at(&other));
                    }
                }
            }
        }
    }
}
