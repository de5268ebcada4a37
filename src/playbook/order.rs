//! Puts steps into their order.

use std::ops::Range;

use super::Step;
use crate::inventory::{Problem, Spanned, did_you_mean};

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
    After(Spanned<String>),
    Before(Spanned<String>),
}

impl Position {
    fn target(&self) -> Option<&Spanned<String>> {
        match self {
            Self::InFileOrder => None,
            Self::After(target) | Self::Before(target) => Some(target),
        }
    }
}

/// The steps that stay in the order of the file, and the others next to them. Steps with the same position keep the
/// order of the file.
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
