//! Cutting hosts off from each other: rules in the switch, so that hosts and this machine know nothing of them.

use std::time::Duration;

use super::{
    Result,
    state::{Cut, State},
    tool,
};

/// The name of our table.
const TABLE: &str = "provision";

/// Makes the switch do what the state says.
pub(super) async fn apply(state: &State) -> Result<()> {
    let rules: String = state.cuts.iter().map(rules).collect();
    let script = format!(
        "add table bridge {TABLE}\ndelete table bridge {TABLE}\n\
         table bridge {TABLE} {{ chain forward {{ type filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
    );
    let words = ["ip", "netns", "exec", &state.switch(), "nft", "-f", "-"];
    tool::run_with(&words, &script, Duration::from_secs(30)).await.map(drop)
}

/// Each group from each other one, both ways; a lone group from all that is not in it.
fn rules(cut: &Cut) -> String {
    // A host's end of its cable has the host's name: nothing of it passes, whatever address it speaks with.
    let set = |group: &Vec<String>| {
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
