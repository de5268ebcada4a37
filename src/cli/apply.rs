//! `provision apply`: bring the hosts to what the inventory says, and verify it.

use std::{collections::BTreeMap, path::Path};

use miette::{IntoDiagnostic, WrapErr, miette};

use super::{
    args::{Apply, Trust},
    exit::{Exit, Failure},
    file,
    inventory_arg::resolve,
    plan::no_changes_message,
    project::Project,
    prompt::{check_noninteractive, confirm, is_yes},
    run::{OutputOptions, carry_out, report_no_changes},
    session::{connect, lock, release},
    unreachable::{Unreachable, reporting_unreachable},
};
use crate::{
    artifact::ArtifactStore,
    cache_dir::CacheDir,
    inspect::{HostView, LockedSessions, Resources, assess_cluster, observe},
    plan::{Plan, PlanOptions},
    report::{self, Detail},
    resource::{Observed, Resource},
    run,
    units::HostName,
};

pub(super) async fn run(args: Apply) -> Result<Exit, Failure> {
    check_noninteractive(args.json, args.yes)?;
    file::writable("the report", args.report.as_deref())?;
    reporting_unreachable(async |unreachable| {
        let ready = match &args.plan {
            Some(file) => plan_from_file(file, args.trust, unreachable).await?,
            None => plan_from_inventory(&resolve(args.path.as_deref())?, &args, unreachable).await?,
        };
        let ended = confirm_and_run(&args, &ready, unreachable).await;
        release(ready.sessions).await;
        Ok(unreachable.exit(ended?, ready.plan.limit.as_ref()))
    })
    .await
}

/// Shows the plan, and carries it out once it is confirmed.
async fn confirm_and_run(
    args: &Apply,
    ready: &PreparedRun,
    unreachable: &Unreachable,
) -> Result<Exit, Failure> {
    let (plan, partial) = (&ready.plan, unreachable.is_partial(ready.plan.limit.as_ref()));
    if plan.is_empty() {
        let is_well = plan.cluster.for_the_user().next().is_none();
        report_no_changes(args.json, !partial && is_well, &ready.no_changes);
        return Ok(if is_well { Exit::Done } else { Exit::Failed });
    }
    if !args.json {
        report::note(&plan.text(Detail::Brief));
    }
    if !args.yes && !confirm("Apply this plan? [y/N] ", is_yes)? {
        report::note("nothing was changed");
        return Ok(Exit::Failed);
    }
    let output = OutputOptions { json: args.json, report: args.report.clone(), partial };
    let outcome = carry_out("apply", plan, &ready.sessions, &ready.store, &output).await?;
    if outcome.evidence.is_some() && !args.json {
        report::result(&report::how_to_connect(&plan.fleet));
    }
    Ok(Exit::Done)
}

/// A plan, and the locked hosts it is carried out on.
struct PreparedRun {
    plan: Plan,
    sessions: LockedSessions,
    store: ArtifactStore,
    /// The message for an empty plan.
    no_changes: String,
}

/// The plan that follows from an inventory.
async fn plan_from_inventory(
    inventory: &Path,
    args: &Apply,
    unreachable: &mut Unreachable,
) -> Result<PreparedRun, Failure> {
    let project = Project::new(inventory, args.single_host)?;
    let options = project.options(&args.options)?;
    let probes = connect(&project.fleet, args.trust, unreachable).await?;
    let mut sessions = lock(&project.fleet, probes, unreachable).await?;
    let inspection = project.inspect(&mut sessions, unreachable, &options.consent).await?;
    let plan = project.plan(inspection, &options).await?;
    let no_changes = no_changes_message(&plan, &options);
    Ok(PreparedRun { plan, sessions, store: project.store, no_changes })
}

/// A saved plan. It has all there is to do: neither inventory nor playbook nor templates are read again. It
/// is carried out on all its hosts or on none.
async fn plan_from_file(
    file: &Path,
    trust: Trust,
    unreachable: &mut Unreachable,
) -> Result<PreparedRun, Failure> {
    let mut plan = read(file)?;
    let probes = connect(&plan.fleet, trust, unreachable).await?;
    unreachable.require_all(plan.hosts.keys())?;
    let sessions = lock(&plan.fleet, probes, unreachable).await?;
    unreachable.require_all(plan.hosts.keys())?;
    let observed = verify_fingerprints(&plan, &sessions).await?;
    let resources: BTreeMap<&HostName, Vec<&Resource>> =
        plan.hosts.iter().map(|(host, baseline)| (host, baseline.desired.resources().collect())).collect();
    let view = |(host, observed): (&HostName, _)| {
        Some((host.clone(), HostView { observed, resources: resources.get(host)? }))
    };
    let views: BTreeMap<HostName, HostView<'_>> = observed.iter().filter_map(view).collect();
    let (.., assessment) = assess_cluster(&plan.fleet, &sessions, &views, &plan.cluster.consent).await?;
    if let Some(refusal) = assessment.refusal {
        return Err(crate::plan::Error::from(refusal).into());
    }
    plan.cluster.findings = assessment.findings;
    let no_changes = no_changes_message(&plan, &PlanOptions::default());
    Ok(PreparedRun { plan, sessions, store: ArtifactStore::new(CacheDir::of_user()?), no_changes })
}

fn read(file: &Path) -> Result<Plan, Failure> {
    let plan: Plan = std::fs::read(file)
        .into_diagnostic()
        .and_then(|bytes| serde_json::from_slice(&bytes).into_diagnostic())
        .wrap_err_with(|| format!("could not read the plan {}", file.display()))
        .map_err(Failure::usage)?;
    let ours = env!("CARGO_PKG_VERSION");
    if plan.provision != ours {
        let (theirs, ours) = (plan.provision, ours.to_owned());
        return Err(Failure::usage(run::Error::OtherVersion { theirs, ours }.into()));
    }
    Ok(plan)
}

/// What is on the hosts, if every one is still what the saved plan was made for.
async fn verify_fingerprints(
    plan: &Plan,
    sessions: &LockedSessions,
) -> Result<BTreeMap<HostName, Observed>, Failure> {
    let mut all = BTreeMap::new();
    for (host, baseline) in &plan.hosts {
        let Ok(session) = sessions.get(host) else {
            let help = "make a new plan: `provision plan INVENTORY -o FILE`";
            let error = miette!(help = help, "the plan changes {host}, which is no host of its cluster");
            return Err(Failure::usage(error));
        };
        let observed = observe(session.probe(), &session.facts, baseline.desired.resources()).await?;
        if observed.fingerprint() != baseline.fingerprint {
            return Err(run::Error::Moved { host: host.clone() }.into());
        }
        all.insert(host.clone(), observed);
    }
    Ok(all)
}
