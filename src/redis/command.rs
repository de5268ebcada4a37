//! What is sent to a server. A [`Query`] only reads; a [`Command`] may be anything, and only a
//! [`NodeWriter`](super::NodeWriter) sends one.

/// A command and its arguments.
pub type Command = Vec<String>;

/// A command from its words; no argument may contain white space.
pub(crate) fn words(text: &str) -> Command {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A command that changes nothing on the server. All that [`NodeReader`](super::NodeReader) can send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    ClusterMyId,
    ClusterNodes,
    ClusterInfo,
    /// Redis 7.0 and later.
    ClusterLinks,
    /// One section of `INFO`.
    Info(InfoSection),
    /// The running value of one directive.
    ConfigGet(String),
    /// Whether the engine has a command, `|` between it and its subcommand.
    CommandInfo(&'static str),
    Role,
    Time,
    /// How many keys the node has in a slot.
    CountKeysInSlot(u16),
    /// The value of a string key.
    Get(String),
    /// Lets this connection read from a replica.
    ReadOnly,
    /// Ends what [`ReadOnly`](Self::ReadOnly) began.
    ReadWrite,
}

/// The sections of `INFO` that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfoSection {
    Server,
    Replication,
    Persistence,
    Stats,
    Memory,
    Keyspace,
}

impl InfoSection {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Replication => "replication",
            Self::Persistence => "persistence",
            Self::Stats => "stats",
            Self::Memory => "memory",
            Self::Keyspace => "keyspace",
        }
    }
}

impl Query {
    /// The query as the server reads it.
    pub(super) fn command(&self) -> Command {
        let with = |head: &str, argument: &str| {
            let mut command = words(head);
            command.push(argument.to_owned());
            command
        };
        match self {
            Self::ClusterMyId => words("CLUSTER MYID"),
            Self::ClusterNodes => words("CLUSTER NODES"),
            Self::ClusterInfo => words("CLUSTER INFO"),
            Self::ClusterLinks => words("CLUSTER LINKS"),
            Self::Info(section) => with("INFO", section.name()),
            Self::ConfigGet(name) => with("CONFIG GET", name),
            Self::CommandInfo(name) => with("COMMAND INFO", name),
            Self::CountKeysInSlot(slot) => words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")),
            Self::Role => words("ROLE"),
            Self::Time => words("TIME"),
            Self::Get(key) => with("GET", key),
            Self::ReadOnly => words("READONLY"),
            Self::ReadWrite => words("READWRITE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_stays_one_word() {
        assert_eq!(Query::Get("a b".to_owned()).command(), ["GET", "a b"]);
        assert_eq!(Query::ConfigGet("save".to_owned()).command(), ["CONFIG", "GET", "save"]);
        assert_eq!(Query::Info(InfoSection::Stats).command(), ["INFO", "stats"]);
    }
}
