//! `ROLE`: what a server itself says it is.

use std::fmt;

use super::reply::Reply;

/// Whether a server takes writes, or follows one that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Master,
    Replica,
}

impl Role {
    /// Reads the answer to `ROLE`; `None` where it is an error or a role that no cluster node has.
    pub fn parse(reply: &Reply) -> Option<Self> {
        Self::from_word(reply.list().first()?.text())
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "master" => Some(Self::Master),
            "slave" | "replica" => Some(Self::Replica),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Replica => "replica",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(word: &str) -> Option<Role> {
        Role::parse(&Reply::List(vec![
            Reply::Text(word.to_owned()),
            Reply::Int(3129),
            Reply::List(Vec::new()),
        ]))
    }

    #[test]
    fn the_first_word_is_the_role() {
        assert_eq!(role("master"), Some(Role::Master));
        assert_eq!(role("slave"), Some(Role::Replica));
        assert_eq!(role("sentinel"), None);
        assert_eq!(Role::parse(&Reply::Error("ERR unknown command".to_owned())), None);
    }
}
