//! `provision plan`: what `apply` would change. It holds probes only.

use miette::IntoDiagnostic;

use super::{
    args::Plan as Args,
    exit::{Exit, Failure},
    file,
    fleet::{Loaded, connect},
};
use crate::{
    inventory::Fleet,
    plan::{Detail, survey},
    report,
};

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    loaded.playbook.refuse_unknown(&args.tags)?;
    let probes = connect(&loaded.fleet, args.inventory.trust).await?;
    let plan = survey(&loaded.fleet, &probes, &loaded.flow()).await?.plan(&loaded.fleet, &args.tags)?;
    if let Some(path) = &args.output {
        file::write(
            "the plan",
            path,
            &serde_json::to_vec_pretty(&plan).into_diagnostic().map_err(Failure::usage)?,
        )?;
    }
    match (args.json, plan.is_empty()) {
        (true, _) => report::json(&plan),
        (false, true) => report::result(&nothing(&plan.fleet, &args.tags)),
        (false, false) => report::result(&plan.text(Detail::Full)),
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Changes })
}

/// What is said when there is nothing to do.
pub(super) fn nothing(fleet: &Fleet, tags: &[String]) -> String {
    if !tags.is_empty() {
        let plural = if tags.len() == 1 { "" } else { "s" };
        return format!(
            "Nothing to change in the step{plural} {} of cluster {}.",
            tags.join(", "),
            fleet.name
        );
    }
    let nodes = fleet.nodes().count();
    format!("Nothing to change: cluster {} runs as the inventory says ({nodes} nodes).", fleet.name)
}
