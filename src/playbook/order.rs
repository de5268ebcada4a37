//! Puts steps where they asked to stand.

use std::ops::Range;

use super::Step;
use crate::inventory::{Problem, Spanned, did_you_mean};

/// A step, where its name is written, and where it wants to stand.
#[derive(Debug, Clone)]
pub(super) struct OrderedStep {
    pub(super) step: Step,
    pub(super) name_at: Range<usize>,
    pub(super) place: Position,
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

/// The steps that stay where they are written, and the others next to them. Steps that want the same place keep the
/// order of the file.
pub(super) fn arrange(
    base: Vec<OrderedStep>,
    own: Vec<OrderedStep>,
    problems: &mut Vec<Problem>,
) -> Vec<OrderedStep> {
    let (mut waiting, here): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|placed| placed.place.target().is_some());
    let mut flow: Vec<OrderedStep> = base.into_iter().chain(here).collect();
    loop {
        let before = waiting.len();
        for placed in std::mem::take(&mut waiting) {
            match position(&flow, &placed.place) {
                Some(position) => flow.insert(position, placed),
                None => waiting.push(placed),
            }
        }
        if waiting.len() == before {
            break;
        }
    }
    problems.extend(waiting.iter().map(|placed| lost(placed, &flow, &waiting)));
    flow
}

fn position(flow: &[OrderedStep], place: &Position) -> Option<usize> {
    let target = place.target()?;
    let at = flow.iter().position(|placed| placed.step.name == target.value)?;
    if matches!(place, Position::Before(_)) {
        return Some(at);
    }
    let mut chain = vec![target.as_str()];
    let followers = flow[at + 1..].iter().take_while(|other| follows(other, &mut chain)).count();
    Some(at + 1 + followers)
}

/// A step that was put behind the target, or behind a step that was: what comes next stands behind it, too.
fn follows<'a>(placed: &'a OrderedStep, chain: &mut Vec<&'a str>) -> bool {
    let follows = matches!(&placed.place, Position::After(target) if chain.contains(&target.as_str()));
    if follows {
        chain.push(&placed.step.name);
    }
    follows
}

fn lost(placed: &OrderedStep, flow: &[OrderedStep], waiting: &[OrderedStep]) -> Problem {
    let Some(target) = placed.place.target() else { return Problem::new("a step has no place") };
    let name = target.as_str();
    if waiting.iter().any(|other| other.step.name == name) {
        let problem = Problem::new(format!("`{}` and `{name}` wait for each other", placed.step.name));
        return problem
            .at(&target.span, "goes round in a circle")
            .help("place one of them next to a built-in step");
    }
    let names: Vec<&str> = flow.iter().chain(waiting).map(|placed| placed.step.name.as_str()).collect();
    let help = match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the steps are {}", names.join(", ")),
    };
    Problem::new(format!("there is no step `{name}`")).at(&target.span, "unknown step").help(help)
}
