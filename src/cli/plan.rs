//! `provision plan`: what `apply` would change. It holds probes only.

use miette::IntoDiagnostic;

use super::{
    args::Plan as Args,
    exit::{Exit, Failure},
    file,
    session::{Project, connect},
};
use crate::{
    plan::{Plan, PlanOptions},
    report::{self, Detail},
};

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    file::writable("the plan", args.output.as_deref())?;
    let project = Project::new(&args.inventory.path, args.inventory.single_host)?;
    let options = project.options(&args.options)?;
    let mut connected = connect(&project.fleet, args.inventory.trust).await?;
    let inspection = connected.inspect(&project).await?;
    let plan = inspection.plan(&project.fleet, &options)?;
    if let Some(path) = &args.output {
        file::write(
            "the plan",
            path,
            &serde_json::to_vec_pretty(&plan).into_diagnostic().map_err(Failure::usage)?,
        )?;
    }
    match (args.json, plan.is_empty()) {
        (true, _) => report::json(&plan),
        (false, true) => report::result(&no_changes_message(&plan, &options)),
        (false, false) => report::result(&plan.text(Detail::Full)),
    }
    let exit = if plan.is_empty() { Exit::Done } else { Exit::Changes };
    Ok(connected.exit(exit, options.limit.as_ref()))
}

/// What is said when there is nothing to do.
pub(super) fn no_changes_message(plan: &Plan, options: &PlanOptions) -> String {
    format!("{}\n{}", unchanged(plan, options), plan.notes()).trim_end().to_owned()
}

fn unchanged(plan: &Plan, options: &PlanOptions) -> String {
    let (fleet, tags) = (&plan.fleet, &options.tags);
    let name = format!("{} {}", fleet.name, fleet.environment);
    if !tags.is_empty() {
        let plural = if tags.len() == 1 { "" } else { "s" };
        return format!("Nothing to change in the step{plural} {} of cluster {name}.", tags.join(", "));
    }
    if let Some(limit) = &options.limit {
        let hosts: Vec<&str> = limit.iter().map(String::as_str).collect();
        return format!("Nothing to change on {} of cluster {name}.", hosts.join(", "));
    }
    if !plan.unreachable.is_empty() {
        return format!("Nothing to change on those hosts of cluster {name} that can be connected.");
    }
    let nodes = fleet.nodes().count();
    format!("Nothing to change: cluster {name} runs as the inventory says ({nodes} nodes).")
}
