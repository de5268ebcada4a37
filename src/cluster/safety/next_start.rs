//! What the next start of a stopped node reads: the engine looks for one kind of file, by the names of its
//! configuration, and takes everything else for nothing.

use serde::{Deserialize, Serialize};

use crate::{
    inventory::{Engine, Version},
    resource::DataFile,
};

/// From here on the AOF is a folder with a manifest (the 7.0 release notes); every Valkey has it so.
const MULTI_PART_AOF: Version = Version::new(7, 0, 0);

/// The directives that decide which files a server reads and writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    aof: bool,
    /// Whether there is a save point: SIGTERM then writes the RDB file.
    saves: bool,
    /// Whether SIGTERM writes no RDB file all the same (`shutdown-on-sigterm`, from Redis 7.0 on).
    ends_unsaved: bool,
    aof_name: String,
    aof_folder: String,
    rdb_name: String,
}

/// What the next start of a node finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextStart {
    /// The AOF: all that was acknowledged, but for the last second.
    Reads,
    /// The RDB file: what there was at the last save.
    ReadsSnapshot,
    /// This file holds keys, and the start does not look at it, because of this directive.
    Ignores { file: String, directive: String },
    /// There is no file, although the configuration has the engine keep one.
    Nothing,
    /// There is no file, and the configuration wants none.
    KeepsNothing,
}

impl Persistence {
    /// From the text of a configuration; the last line of a directive counts, but for `save`, whose lines add
    /// up. What is not there has the engine's default.
    pub fn of(config: &str) -> Self {
        let mut own = Self {
            aof: false,
            saves: true,
            ends_unsaved: false,
            aof_name: "appendonly.aof".to_owned(),
            aof_folder: "appendonlydir".to_owned(),
            rdb_name: "dump.rdb".to_owned(),
        };
        for line in config.lines() {
            let (name, value) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            let value = value.trim().trim_matches(['"', '\'']);
            match name.to_ascii_lowercase().as_str() {
                "appendonly" => own.aof = value.eq_ignore_ascii_case("yes"),
                "save" => own.saves = !value.is_empty(),
                "shutdown-on-sigterm" => own.ends_unsaved = value.to_ascii_lowercase().contains("nosave"),
                "appendfilename" => value.clone_into(&mut own.aof_name),
                "appenddirname" => value.clone_into(&mut own.aof_folder),
                "dbfilename" => value.clone_into(&mut own.rdb_name),
                _ => {}
            }
        }
        own
    }

    /// The command that has a running server leave its keys where a start with this configuration reads them,
    /// if it does not do so already.
    pub(in crate::cluster) fn cannot_read(&self, running: &Self) -> Option<&'static str> {
        let aof =
            running.aof && (&self.aof_name, &self.aof_folder) == (&running.aof_name, &running.aof_folder);
        let rdb = running.saves && !running.ends_unsaved && self.rdb_name == running.rdb_name;
        match (self.aof, aof, rdb) {
            (true, true, _) => None,
            (true, false, _) => Some("CONFIG SET appendonly yes"),
            (false, _, true) if !running.aof || running.saves => None,
            (false, ..) if running.saves && running.ends_unsaved => {
                Some("CONFIG SET shutdown-on-sigterm default")
            }
            (false, ..) => Some("CONFIG SET save \"3600 1\""),
        }
    }

    /// What a start with this configuration finds among these files; `before` is the configuration that the
    /// node ran with, where that was another one.
    pub fn next_start(
        &self,
        before: Option<&Self>,
        engine: Engine,
        version: Version,
        files: &[DataFile],
    ) -> NextStart {
        let multi_part = engine == Engine::Valkey || version >= MULTI_PART_AOF;
        let ran_with = before.unwrap_or(self);
        let has = |path: &str| files.iter().find(|file| file.path == path && file.size > 0);
        let folder_of = |own: &Self| format!("{}/{}.manifest", own.aof_folder, own.aof_name);
        // A server with the folder also takes over the single file of the older ones.
        let single = |own: &Self| has(&own.aof_name);
        let in_folder = |own: &Self| has(&folder_of(own));
        let ignores = |file: &DataFile, directive: &str| NextStart::Ignores {
            file: file.path.clone(),
            directive: directive.to_owned(),
        };
        if self.aof {
            let found = single(self).or_else(|| in_folder(self).filter(|_| multi_part));
            return match found {
                Some(_) if ran_with.aof => NextStart::Reads,
                _ if !ran_with.aof && has(&ran_with.rdb_name).is_some() => {
                    has(&ran_with.rdb_name).map_or(NextStart::Nothing, |file| ignores(file, "appendonly"))
                }
                Some(_) => NextStart::Reads,
                None => match in_folder(self).or_else(|| single(ran_with)).or_else(|| in_folder(ran_with)) {
                    Some(file) if !multi_part => ignores(file, "version"),
                    Some(file) if self.aof_folder != ran_with.aof_folder => ignores(file, "appenddirname"),
                    Some(file) => ignores(file, "appendfilename"),
                    None => NextStart::Nothing,
                },
            };
        }
        if let Some(file) = in_folder(ran_with).or_else(|| single(ran_with)).filter(|_| ran_with.aof) {
            return ignores(file, "appendonly");
        }
        match (has(&self.rdb_name), has(&ran_with.rdb_name)) {
            (Some(_), _) if self.rdb_name == ran_with.rdb_name => NextStart::ReadsSnapshot,
            (_, Some(file)) => ignores(file, "dbfilename"),
            (Some(_), None) => NextStart::ReadsSnapshot,
            (None, None) if self.saves => NextStart::Nothing,
            (None, None) => NextStart::KeepsNothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AOF: &str = "appendonlydir/appendonly.aof.manifest";
    const NEW: Version = Version::new(7, 0, 15);
    const OLD: Version = Version::new(6, 2, 14);

    fn start(next: &str, before: &str, version: Version, files: &[&str]) -> NextStart {
        let file = |path: &&str| DataFile { path: (*path).to_owned(), size: 9 };
        let files: Vec<DataFile> = files.iter().map(file).collect();
        let before = (next != before).then(|| Persistence::of(before));
        Persistence::of(next).next_start(before.as_ref(), Engine::Redis, version, &files)
    }

    fn ignores(file: &str, directive: &str) -> NextStart {
        NextStart::Ignores { file: file.to_owned(), directive: directive.to_owned() }
    }

    #[test]
    fn a_node_that_starts_as_it_ran_reads_what_it_wrote() {
        let (aof, rdb) = ("appendonly yes", "appendonly no\nsave 60 1");
        assert_eq!(start(aof, aof, NEW, &[AOF, "dump.rdb", "nodes.conf"]), NextStart::Reads);
        assert_eq!(start(aof, aof, OLD, &["appendonly.aof"]), NextStart::Reads);
        assert_eq!(start(rdb, rdb, NEW, &["dump.rdb"]), NextStart::ReadsSnapshot);
        // Left from a time with an AOF, which ended by CONFIG SET.
        assert_eq!(start(rdb, rdb, NEW, &["dump.rdb", AOF]), NextStart::ReadsSnapshot);
        let named = "appendonly yes\nappenddirname \"a\"\nappendfilename \"b\"";
        assert_eq!(start(named, named, NEW, &["a/b.manifest"]), NextStart::Reads);
    }

    #[test]
    fn a_newer_engine_takes_over_the_single_file() {
        assert_eq!(start("appendonly yes", "appendonly yes", NEW, &["appendonly.aof"]), NextStart::Reads);
    }

    #[test]
    fn a_missing_file_is_told_from_one_that_nobody_wants() {
        assert_eq!(start("appendonly yes", "appendonly yes", NEW, &["nodes.conf"]), NextStart::Nothing);
        assert_eq!(start("appendonly no", "appendonly no", NEW, &[]), NextStart::Nothing);
        let memory = "save \"\"\nappendonly no";
        assert_eq!(start(memory, memory, NEW, &["nodes.conf"]), NextStart::KeepsNothing);
    }

    #[test]
    fn a_switch_of_the_kind_or_of_a_name_leaves_the_keys_unread() {
        let (aof, rdb) = ("appendonly yes", "save 60 1");
        assert_eq!(start(aof, rdb, NEW, &["dump.rdb"]), ignores("dump.rdb", "appendonly"));
        assert_eq!(start(aof, rdb, NEW, &["dump.rdb", AOF]), ignores("dump.rdb", "appendonly"));
        assert_eq!(start(rdb, aof, NEW, &[AOF]), ignores(AOF, "appendonly"));
        let other = "appendonly yes\nappendfilename x";
        assert_eq!(start(other, aof, NEW, &[AOF]), ignores(AOF, "appendfilename"));
        let other = "appendonly yes\nappenddirname x";
        assert_eq!(start(other, aof, NEW, &[AOF]), ignores(AOF, "appenddirname"));
        let other = "save 60 1\ndbfilename x";
        assert_eq!(start(other, rdb, NEW, &["dump.rdb"]), ignores("dump.rdb", "dbfilename"));
    }

    #[test]
    fn an_older_engine_does_not_know_the_folder() {
        assert_eq!(start("appendonly yes", "appendonly yes", OLD, &[AOF]), ignores(AOF, "version"));
    }
}
