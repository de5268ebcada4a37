//! The names of the files that hold a node's keys.

use super::value;
use crate::resource::Obstacle;

/// The directives that name them, and the names that every engine gives them by default.
const DATA_FILES: [(&str, &str); 3] =
    [("appenddirname", "appendonlydir"), ("appendfilename", "appendonly.aof"), ("dbfilename", "dump.rdb")];

/// What keeps a configuration from being replaced by one that names other files: the next start of the node
/// would not read the keys it has.
pub(super) fn renamed(path: &str, now: &str, wanted: &str) -> Option<Obstacle> {
    DATA_FILES.into_iter().find_map(|(directive, default)| {
        let [is, wanted] = [now, wanted].map(|text| value(text, directive).unwrap_or(default));
        (is != wanted).then(|| Obstacle::RenamedData {
            path: path.to_owned(),
            directive,
            is: is.to_owned(),
            wanted: wanted.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_the_names_of_its_files_and_a_default_may_be_written_or_not() {
        let names = |now: &str, wanted: &str| match renamed("/c", now, wanted)? {
            Obstacle::RenamedData { directive, is, wanted, .. } => Some(format!("{directive} {is} {wanted}")),
            other => panic!("{other:?}"),
        };
        assert_eq!(names("port 1\n", "port 2\ndbfilename dump.rdb\n"), None);
        assert_eq!(names("dbfilename a\nDBFILENAME \"dump.rdb\"\n", "port 2\n"), None, "the last one counts");
        assert_eq!(names("port 1\n", "dbfilename b.rdb\n").unwrap(), "dbfilename dump.rdb b.rdb");
        assert_eq!(names("appendfilename x\n", "").unwrap(), "appendfilename x appendonly.aof");
        assert_eq!(names("", "appenddirname d\n").unwrap(), "appenddirname appendonlydir d");
    }
}
