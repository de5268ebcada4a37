//! The playbook: the flow as data, an ordered list of typed steps.
//!
//! A file of the user's, in a `playbooks/` folder beside the inventory or beside its folder, takes the place
//! of the compiled-in one of the same name, or extends it. The same holds for templates.

mod action;
mod flow;
mod load;
mod order;
mod raw;
mod templates;

pub use self::{
    flow::{Action, Playbook, Step, UnknownTag},
    load::{load, parse},
    templates::{Template, template},
};
pub use crate::inventory::LoadError;
