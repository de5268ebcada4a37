//! What all nodes answered at one moment.

use std::net::SocketAddr;

use super::view::View;

/// What all nodes answered at one moment, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    pub nodes: Vec<(SocketAddr, State)>,
}

/// What one node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It did not answer, and why.
    Down(String),
    /// It has another password than the inventory, or only one of the two has any; what it answered.
    AuthRejected(String),
    /// It is reading its data, this many bytes so far, and will answer soon.
    Loading(u64),
    Up(Box<View>),
}

impl Observed {
    /// The state of one node; `None` where it is not in the inventory.
    pub fn get(&self, node: SocketAddr) -> Option<&State> {
        self.nodes.iter().find(|(address, _)| *address == node).map(|(_, state)| state)
    }

    /// The view of one node, where it answered.
    pub fn view(&self, node: SocketAddr) -> Option<&View> {
        match self.get(node)? {
            State::Up(view) => Some(view),
            _ => None,
        }
    }

    /// The nodes that answered.
    pub fn views(&self) -> impl Iterator<Item = (SocketAddr, &View)> {
        self.nodes.iter().filter_map(|(address, state)| match state {
            State::Up(view) => Some((*address, &**view)),
            _ => None,
        })
    }

    /// The masters that own slots.
    pub fn slot_owners(&self) -> impl Iterator<Item = (SocketAddr, &View)> {
        self.views().filter(|(_, view)| view.owns_slots())
    }

    /// The nodes that say they follow the node with this id.
    pub fn replicas_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (SocketAddr, &'a View)> {
        self.views().filter(move |(_, view)| view.follows(id))
    }

    /// The nodes that did not answer, and why.
    pub fn down(&self) -> impl Iterator<Item = (SocketAddr, &str)> {
        self.nodes.iter().filter_map(|(address, state)| match state {
            State::Down(reason) | State::AuthRejected(reason) => Some((*address, reason.as_str())),
            State::Loading(_) => Some((*address, "is still loading its data")),
            State::Up(_) => None,
        })
    }

    /// Whether every node answered.
    pub fn all_up(&self) -> bool {
        self.down().next().is_none()
    }

    /// The nodes that did not answer, a sentence each for the evidence.
    pub(in crate::cluster) fn silent(&self) -> impl Iterator<Item = String> {
        self.down().map(|(node, reason)| match self.get(node) {
            Some(State::AuthRejected(_)) => format!("{node} runs with another password: {reason}"),
            _ => format!("{node} does not answer"),
        })
    }

    /// The highest epoch that any node knows; 0 where none knows any.
    pub(in crate::cluster) fn newest_epoch(&self) -> u64 {
        self.views().map(|(_, view)| view.current_epoch()).max().unwrap_or(0)
    }

    /// The address of the node with this id.
    pub fn address_of(&self, id: &str) -> Option<SocketAddr> {
        self.views().find(|(_, view)| &*view.id == id).map(|(address, _)| address)
    }
}
