//! A server's answer.

/// A server's answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(String),
    List(Vec<Reply>),
    /// An error reply: `CODE details`, as the server wrote it.
    Error(String),
}

impl Reply {
    /// The text of a string reply, empty for all others.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The number, also where it came as text.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// What the server refused with.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Error(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list reply, none for all others.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a `CONFIG GET` of one directive; `None` where the engine does not know it.
    pub fn config_value(&self) -> Option<&str> {
        self.list().get(1).map(Self::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_the_engine_does_not_know_has_no_value() {
        let known = Reply::List(["save", "3600 1"].map(|text| Reply::Text(text.to_owned())).into());
        assert_eq!(known.config_value(), Some("3600 1"));
        assert_eq!(Reply::List(Vec::new()).config_value(), None);
        assert_eq!(Reply::Error("NOPERM".to_owned()).config_value(), None);
    }
}
