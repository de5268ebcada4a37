//! `provision plan`: what `apply` would change. It holds probes only.

use miette::IntoDiagnostic;

use super::{
    args::Plan as Args,
    exit::{Exit, Failure},
    file,
    fleet::{Loaded, connect},
};
use crate::{
    plan::{Choice, Detail, Plan},
    report,
};

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    file::writable("the plan", args.output.as_deref())?;
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    let choice = loaded.choice(&args.choice)?;
    let mut reached = connect(&loaded.fleet, args.inventory.trust).await?;
    let survey = reached.survey(&loaded).await?;
    let plan = survey.plan(&loaded.fleet, &choice)?;
    if let Some(path) = &args.output {
        file::write(
            "the plan",
            path,
            &serde_json::to_vec_pretty(&plan).into_diagnostic().map_err(Failure::usage)?,
        )?;
    }
    match (args.json, plan.is_empty()) {
        (true, _) => report::json(&plan),
        (false, true) => report::result(&nothing(&plan, &choice)),
        (false, false) => report::result(&plan.text(Detail::Full)),
    }
    let exit = if plan.is_empty() { Exit::Done } else { Exit::Changes };
    Ok(reached.exit(exit, choice.limit.as_ref()))
}

/// What is said when there is nothing to do.
pub(super) fn nothing(plan: &Plan, choice: &Choice) -> String {
    format!("{}\n{}", unchanged(plan, choice), plan.remarks()).trim_end().to_owned()
}

fn unchanged(plan: &Plan, choice: &Choice) -> String {
    let (fleet, tags) = (&plan.fleet, &choice.tags);
    let name = format!("{} {}", fleet.name, fleet.tier);
    if !tags.is_empty() {
        let plural = if tags.len() == 1 { "" } else { "s" };
        return format!("Nothing to change in the step{plural} {} of cluster {name}.", tags.join(", "));
    }
    if let Some(limit) = &choice.limit {
        let hosts: Vec<&str> = limit.iter().map(String::as_str).collect();
        return format!("Nothing to change on {} of cluster {name}.", hosts.join(", "));
    }
    if !plan.unreachable.is_empty() {
        return format!("Nothing to change on those hosts of cluster {name} that can be reached.");
    }
    let nodes = fleet.nodes().count();
    format!("Nothing to change: cluster {name} runs as the inventory says ({nodes} nodes).")
}
