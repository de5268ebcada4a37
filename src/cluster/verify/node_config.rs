//! A node's configuration as its file and the inventory say, beside the running one.

use std::collections::BTreeMap;

use super::{
    config_file::{self, canonical},
    host_checks::HostFacts,
};
use crate::{
    cluster::{drift, observe::Observed},
    inventory::{Fleet, Node, NodeRef},
    redis::{NodeReader, Query, Reply},
};

/// Directives that are asked for whether or not anything sets them.
const ALWAYS: [&str; 3] = ["appendonly", "maxmemory", "maxmemory-policy"];

/// One node's configuration; directives by their canonical names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct NodeConfig {
    pub(super) expected: BTreeMap<String, Expected>,
    /// `CONFIG GET` of the expected ones, and of some more. The engine does not answer about all of them.
    pub(super) running: BTreeMap<String, String>,
}

/// What one directive must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// Its name as written.
    pub(super) name: String,
    /// The arguments of each of its lines.
    pub(super) lines: Vec<String>,
}

impl NodeConfig {
    /// What the lines of the node's file and those of the inventory make of it. The file has the template's
    /// lines as well; where it lacks a line of the inventory, it is older than the inventory, which counts.
    pub(super) fn expected(fleet: &Fleet, node: &Node, file: &str) -> Self {
        let mut expected: BTreeMap<String, Expected> = BTreeMap::new();
        for line in config_file::parse(file) {
            let entry = expected
                .entry(canonical(&line.name))
                .or_insert_with(|| Expected { name: line.name.clone(), lines: Vec::new() });
            // `save ""` takes back the lines above it.
            if line.name == "save" && line.arguments.trim_matches('"').is_empty() {
                entry.lines.clear();
            }
            entry.name = line.name;
            entry.lines.push(line.arguments);
        }
        for (name, lines) in drift::managed(fleet, node) {
            let key = canonical(&name);
            if !expected.get(&key).is_some_and(|written| written.lines.ends_with(&lines)) {
                expected.insert(key, Expected { name, lines });
            }
        }
        expected.retain(|name, _| drift::is_compared(name));
        Self { expected, running: BTreeMap::new() }
    }

    /// Where no file was read: the running values count as those that were chosen.
    pub(super) fn of_running(values: &BTreeMap<String, String>) -> Self {
        let pairs = || values.iter().map(|(name, value)| (canonical(name), name, value));
        let expected =
            |name: &String, value: &String| Expected { name: name.clone(), lines: vec![value.clone()] };
        Self {
            expected: pairs().map(|(key, name, value)| (key, expected(name, value))).collect(),
            running: pairs().map(|(key, _, value)| (key, value.clone())).collect(),
        }
    }

    /// The last word on one directive, where file or inventory have one.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        Some(self.expected.get(name)?.lines.last()?.trim_matches('"'))
    }
}

/// The configuration of every node that answers and whose host showed its file.
pub(super) async fn ask(
    reader: &NodeReader<'_>,
    fleet: &Fleet,
    observed: &Observed,
    hosts: &HostFacts,
) -> BTreeMap<NodeRef, NodeConfig> {
    let known = fleet.nodes().filter(|node| observed.view(node.key).is_some()).filter_map(|node| {
        let file = hosts.get(&node.key)?.as_ref().ok()?.config.as_deref()?;
        Some((node.key, NodeConfig::expected(fleet, node, file)))
    });
    let mut configs: BTreeMap<NodeRef, NodeConfig> = known.collect();
    let queries = configs.iter().map(|(node, config)| {
        let names = config.expected.values().map(|expected| Query::ConfigGet(expected.name.clone()));
        (*node, names.chain(ALWAYS.map(|name| Query::ConfigGet(name.to_owned()))).collect())
    });
    for (node, replies) in reader.read_each(queries.collect()).await {
        if let (Ok(replies), Some(config)) = (replies, configs.get_mut(&node)) {
            config.running = running(&config.expected, &replies);
        }
    }
    configs
}

/// The replies, in the order of the directives, and of those that are always asked for after them.
fn running(expected: &BTreeMap<String, Expected>, replies: &[Reply]) -> BTreeMap<String, String> {
    let names = expected.keys().map(String::as_str).chain(ALWAYS);
    let values =
        names.zip(replies).map(|(name, reply)| Some((name.to_owned(), reply.config_value()?.into())));
    values.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::testing::six;

    fn expected(fleet: &Fleet, file: &str) -> Vec<(String, String)> {
        let config = NodeConfig::expected(fleet, &fleet.hosts[0].nodes[0], file);
        config.expected.into_values().map(|expected| (expected.name, expected.lines.join(" | "))).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, lines)| ((*name).to_owned(), (*lines).to_owned())).collect()
    }

    #[test]
    fn the_lines_of_the_template_count_as_well_as_those_of_the_inventory() {
        let mut fleet = six();
        fleet.config.insert("maxmemory".to_owned(), vec!["1gb".to_owned()]);
        let file = "appendonly yes\nmaxmemory 1gb\nappendonly no\nsupervised no\ninclude \"/p\"\n";
        assert_eq!(expected(&fleet, file), pairs(&[("appendonly", "yes | no"), ("maxmemory", "1gb")]));
    }

    #[test]
    fn an_inventory_that_is_newer_than_the_file_counts() {
        let mut fleet = six();
        fleet.config.insert("maxmemory".to_owned(), vec!["1gb".to_owned()]);
        fleet.hosts[0].nodes[0].config.insert("maxmemory".to_owned(), vec!["2gb".to_owned()]);
        assert_eq!(expected(&fleet, "maxmemory 1gb\n"), pairs(&[("maxmemory", "2gb")]));
        assert_eq!(expected(&fleet, ""), pairs(&[("maxmemory", "2gb")]));
    }

    #[test]
    fn an_empty_save_takes_back_what_stands_above_it() {
        assert_eq!(expected(&six(), "save 3600 1\nsave \"\"\n"), pairs(&[("save", "\"\"")]));
        assert_eq!(expected(&six(), "save \"\"\nsave 60 1\n"), pairs(&[("save", "\"\" | 60 1")]));
    }

    #[test]
    fn the_older_name_of_a_directive_is_the_same_directive() {
        let mut fleet = six();
        fleet.config.insert("slave-read-only".to_owned(), vec!["no".to_owned()]);
        let file = "replica-read-only yes\nslave-read-only no\n";
        assert_eq!(expected(&fleet, file), pairs(&[("slave-read-only", "yes | no")]));
        let config = NodeConfig::expected(&fleet, &fleet.hosts[0].nodes[0], file);
        assert_eq!(config.setting("replica-read-only"), Some("no"));
    }

    #[test]
    fn directives_the_engine_does_not_answer_about_have_no_value() {
        let config = NodeConfig::expected(&six(), &six().hosts[0].nodes[0], "hz 10\nodd 1\n");
        let value = |name: &str, value: &str| {
            Reply::List([name, value].map(|text| Reply::Text(text.to_owned())).into())
        };
        let replies = [value("hz", "10"), Reply::List(Vec::new()), value("appendonly", "yes")];
        let running = running(&config.expected, &replies);
        assert_eq!(
            running,
            BTreeMap::from([("hz", "10"), ("appendonly", "yes")].map(|(a, b)| (a.into(), b.into())))
        );
    }
}
