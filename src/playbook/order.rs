//! Puts steps where they asked to stand.

use std::ops::Range;

use super::Step;
use crate::inventory::{At, Problem, did_you_mean};

/// A step, where its name is written, and where it wants to stand.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) step: Step,
    pub(super) name_at: Range<usize>,
    pub(super) place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the order of the file.
    Here,
    After(At<String>),
    Before(At<String>),
}

impl Place {
    fn target(&self) -> Option<&At<String>> {
        match self {
            Self::Here => None,
            Self::After(target) | Self::Before(target) => Some(target),
        }
    }
}

/// The steps that stay where they are written, and the others next to them. Steps that want the same place keep the
/// order of the file.
pub(super) fn arrange(base: Vec<Placed>, own: Vec<Placed>, problems: &mut Vec<Problem>) -> Vec<Placed> {
    let (mut waiting, here): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|placed| placed.place.target().is_some());
    let mut flow: Vec<Placed> = base.into_iter().chain(here).collect();
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

fn position(flow: &[Placed], place: &Place) -> Option<usize> {
    let target = place.target()?;
    let at = flow.iter().position(|placed| placed.step.name == target.value)?;
    if matches!(place, Place::Before(_)) {
        return Some(at);
    }
    let mut chain = vec![target.as_str()];
    let followers = flow[at + 1..].iter().take_while(|other| follows(other, &mut chain)).count();
    Some(at + 1 + followers)
}

/// A step that was put behind the target, or behind a step that was: what comes next stands behind it, too.
fn follows<'a>(placed: &'a Placed, chain: &mut Vec<&'a str>) -> bool {
    let follows = matches!(&placed.place, Place::After(target) if chain.contains(&target.as_str()));
    if follows {
        chain.push(&placed.step.name);
    }
    follows
}

fn lost(placed: &Placed, flow: &[Placed], waiting: &[Placed]) -> Problem {
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
