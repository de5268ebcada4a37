//! `provision plan`: what `apply` would change. It holds probes only.

use miette::IntoDiagnostic;

use super::{
    args::Plan as Args,
    exit::{Exit, Failure},
    file,
    inventory_arg::resolve,
    project::Project,
    session::open,
    unreachable::reporting_unreachable,
};
use crate::{
    plan::{Plan, PlanOptions},
    report::{self, Detail},
    units::HostName,
};

pub(super) async fn run(args: Args) -> Result<Exit, Failure> {
    file::writable("the plan", args.output.as_deref())?;
    let project = Project::new(&resolve(args.inventory.path.as_deref())?, args.inventory.single_host)?;
    let options = project.options(&args.options)?;
    reporting_unreachable(async |unreachable| {
        let mut sessions = open(&project.fleet, args.inventory.trust, unreachable).await?;
        let inspection = project.inspect(&mut sessions, unreachable, &options.consent).await?;
        let plan = project.plan(inspection, &options).await?;
        if let Some(path) = &args.output {
            let json = serde_json::to_vec_pretty(&plan).into_diagnostic().map_err(Failure::usage)?;
            file::write("the plan", path, &json)?;
        }
        match (args.json, plan.is_empty()) {
            (true, _) => report::json(&plan),
            (false, true) => report::result(&no_changes_message(&plan, &options)),
            (false, false) => {
                report::result(&plan.text(if args.diff { Detail::Full } else { Detail::Brief }));
            }
        }
        Ok(unreachable.exit(exit(&plan), options.limit.as_ref()))
    })
    .await
}

/// Where there is nothing to change, but something is broken that no run repairs, the verb has failed.
fn exit(plan: &Plan) -> Exit {
    match (plan.is_empty(), plan.cluster.for_the_user().next()) {
        (false, _) => Exit::Changes,
        (true, Some(_)) => Exit::Failed,
        (true, None) => Exit::Done,
    }
}

/// The message for an empty plan, with what no run can change.
pub(super) fn no_changes_message(plan: &Plan, options: &PlanOptions) -> String {
    format!("{}\n{}", unchanged(plan, options), plan.notes()).trim_end().to_owned()
}

fn unchanged(plan: &Plan, options: &PlanOptions) -> String {
    let (fleet, tags) = (&plan.fleet, &options.tags);
    let name = format!("{} {}", fleet.name, fleet.environment);
    if plan.cluster.for_the_user().next().is_some() {
        return format!("Nothing to change in cluster {name} by itself, but it is not as it should be:");
    }
    if !tags.is_empty() {
        let plural = if tags.len() == 1 { "" } else { "s" };
        return format!("Nothing to change in the step{plural} {} of cluster {name}.", tags.join(", "));
    }
    if let Some(limit) = &options.limit {
        let hosts: Vec<&str> = limit.iter().map(HostName::as_str).collect();
        return format!("Nothing to change on {} of cluster {name}.", hosts.join(", "));
    }
    if !plan.unreachable.is_empty() {
        return format!("Nothing to change on those hosts of cluster {name} that can be reached.");
    }
    let nodes = fleet.nodes().count();
    format!("Nothing to change: cluster {name} runs as the inventory says ({nodes} nodes).")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::{Finding, FindingKind, Severity, Subject},
        plan::testing::Scene,
    };

    fn options(tags: &[&str], limit: &[&str]) -> PlanOptions {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let limit = (!limit.is_empty()).then(|| limit.iter().copied().map(HostName::from).collect());
        PlanOptions { tags: words(tags), limit, ..PlanOptions::default() }
    }

    fn message(scene: &Scene, options: &PlanOptions) -> String {
        no_changes_message(&scene.plan().unwrap(), options)
    }

    #[test]
    fn an_empty_plan_claims_only_what_was_compared() {
        let scene = Scene::converged(&["a", "b"]);
        let all = message(&scene, &options(&[], &[]));
        assert_eq!(
            all,
            "Nothing to change: cluster orders on real hosts runs as the inventory says (6 nodes)."
        );
        let limited = message(&scene, &options(&[], &["b", "a"]));
        assert_eq!(limited, "Nothing to change on a, b of cluster orders on real hosts.");
        let tagged = message(&scene, &options(&["build", "ship"], &["a"]));
        assert_eq!(tagged, "Nothing to change in the steps build, ship of cluster orders on real hosts.");
        let partial = message(&Scene::converged(&["a", "b"]).unreachable("b"), &options(&[], &[]));
        assert!(partial.starts_with("Nothing to change on those hosts"), "{partial}");
    }

    #[test]
    fn an_empty_plan_is_no_success_where_something_is_broken_that_no_run_repairs() {
        let with = |kind, severity| {
            let evidence = "10.0.0.1:7001 is at its limit".to_owned();
            let finding = Finding { kind, subject: Subject::Cluster, severity, evidence, repair: None };
            let mut plan = Scene::converged(&["a"]).plan().unwrap();
            plan.cluster.findings.push(finding);
            (no_changes_message(&plan, &options(&[], &[])), exit(&plan))
        };
        let invariant = || FindingKind::Invariant("I39".to_owned());
        let (text, code) = with(invariant(), Severity::Broken);
        let head =
            "Nothing to change in cluster orders on real hosts by itself, but it is not as it should be:";
        assert_eq!(text, format!("{head}\n  \u{1b}[31m!\u{1b}[39m I39: 10.0.0.1:7001 is at its limit"));
        assert_eq!(code, Exit::Failed);
        for (kind, severity) in [(invariant(), Severity::Transitional), (FindingKind::Down, Severity::Broken)]
        {
            let (text, code) = with(kind, severity);
            assert!(text.starts_with("Nothing to change: cluster orders"), "{text}");
            assert_eq!(code, Exit::Done);
        }
        assert_eq!(exit(&Scene::bare(&["a"]).plan().unwrap()), Exit::Changes);
    }

    #[test]
    fn what_no_run_can_change_is_in_the_message() {
        let scene = Scene::converged(&["a"]).with_setting("a", "/proc/sys/vm/overcommit_memory", "ro 0");
        let text = message(&scene, &options(&[], &[]));
        assert!(text.contains("a: vm.overcommit_memory is 0") && !text.ends_with('\n'), "{text}");
    }
}
