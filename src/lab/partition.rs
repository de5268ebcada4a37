//! Cutting hosts off from each other: rules in the switch, so that hosts and this machine know nothing of
//! them.

use std::time::Duration;

use super::{
    Result,
    state::{Cut, State},
    tool,
};
use crate::units::HostName;

/// Loading a ruleset.
const NFT_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of our table.
const TABLE: &str = "provision";

/// Makes the switch do what the state says.
pub(super) async fn apply(state: &State) -> Result<()> {
    let words = ["ip", "netns", "exec", &state.switch(), "nft", "-f", "-"];
    tool::run_with(&words, &ruleset(&state.cuts), NFT_TIMEOUT).await.map(drop)
}

/// Replaces our table, all rules at once.
fn ruleset(cuts: &[Cut]) -> String {
    let rules: String = cuts.iter().map(rules).collect();
    format!(
        "add table bridge {TABLE}\ndelete table bridge {TABLE}\n\
         table bridge {TABLE} {{ chain forward {{ type filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
    )
}

/// Each group from each other one, both ways; a lone group from all that is not in it.
fn rules(cut: &Cut) -> String {
    // The switch's end of a cable has the host's name: a cut holds whatever address the host sends from.
    let set = |group: &Vec<HostName>| {
        let members: Vec<String> = group.iter().map(|name| format!("\"{name}\"")).collect();
        format!("{{ {} }}", members.join(", "))
    };
    let mut text = String::new();
    for (index, one) in cut.groups.iter().enumerate() {
        let one_set = set(one);
        if cut.groups.len() == 1 {
            text.push_str(&format!(
                "iifname {one_set} oifname != {one_set} drop\niifname != {one_set} oifname {one_set} drop\n"
            ));
        }
        for other in cut.groups.iter().skip(index + 1) {
            let other = set(other);
            text.push_str(&format!(
                "iifname {one_set} oifname {other} drop\niifname {other} oifname {one_set} drop\n"
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(groups: &[&[&str]]) -> Cut {
        let names = |group: &&[&str]| group.iter().copied().map(HostName::from).collect();
        Cut { groups: groups.iter().map(names).collect() }
    }

    #[test]
    fn two_groups_are_cut_both_ways() {
        let text = rules(&cut(&[&["n1", "n2"], &["n3"]]));
        let (one, other) = ("{ \"n1\", \"n2\" }", "{ \"n3\" }");
        assert_eq!(text, format!("iifname {one} oifname {other} drop\niifname {other} oifname {one} drop\n"));
    }

    #[test]
    fn a_single_group_is_cut_from_all_others() {
        let text = rules(&cut(&[&["n3"]]));
        let only = "{ \"n3\" }";
        assert_eq!(
            text,
            format!("iifname {only} oifname != {only} drop\niifname != {only} oifname {only} drop\n")
        );
    }

    #[test]
    fn each_pair_of_groups_has_two_rules() {
        for groups in 2..6usize {
            let names = (0..groups).map(|n| HostName::from(format!("n{n}")));
            let cut = Cut { groups: names.map(|name| vec![name]).collect() };
            assert_eq!(rules(&cut).lines().count(), groups * (groups - 1));
        }
    }

    #[test]
    fn no_cut_is_a_table_that_lets_all_pass() {
        let text = ruleset(&[]);
        assert!(text.contains("policy accept") && !text.contains("drop"), "{text}");
        assert!(text.starts_with("add table bridge provision\ndelete table bridge provision\n"), "{text}");
    }

    #[test]
    fn all_cuts_are_in_one_table() {
        let text = ruleset(&[cut(&[&["n1"]]), cut(&[&["n2"], &["n3"]])]);
        assert_eq!((text.matches("chain forward").count(), text.matches("drop").count()), (1, 4));
    }
}
