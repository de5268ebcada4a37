//! What every verb that plans begins with: the inventory, and all that belongs to it.

use std::path::Path;

use miette::miette;

use super::{args, exit::Failure, unreachable::Unreachable};
use crate::{
    artifact::ArtifactStore,
    cache_dir::CacheDir,
    cluster::Consent,
    host::Facts,
    inspect::{self, HostHandle, Inspection, Sessions},
    inventory::{self, Fleet, Fold},
    plan::{Blueprint, Desired, Plan, PlanInput, PlanOptions, Rollout, Templates},
    playbook::{self, Playbook},
    report, run,
    units::{HostName, MemberName},
};

/// An inventory and all that belongs to it.
pub(super) struct Project {
    pub(super) fleet: Fleet,
    playbook: Playbook,
    templates: Templates,
    pub(super) store: ArtifactStore,
}

impl Project {
    pub(super) fn new(path: &Path, single_host: bool) -> Result<Self, Failure> {
        let fold = if single_host { Fold::SingleHost } else { Fold::AsWritten };
        let fleet = inventory::load(path, fold)?;
        let playbook = playbook::load(&fleet, "cluster")?;
        let config = playbook::template(&fleet, "redis.conf")?.text;
        let unit = playbook::template(&fleet, "node.service")?.text;
        let sysctl = playbook::template(&fleet, "sysctl.conf")?.text;
        let templates = Templates { config, unit, sysctl };
        Ok(Self { fleet, playbook, templates, store: ArtifactStore::new(CacheDir::of_user()?) })
    }

    /// The options of a plan, with its tags and hosts checked against playbook and fleet.
    pub(super) fn options(&self, args: &args::PlanOptions) -> Result<PlanOptions, Failure> {
        self.playbook.refuse_unknown(&args.tags)?;
        let limit =
            (!args.limit.is_empty()).then(|| inventory::select(&self.fleet, &args.limit)).transpose()?;
        let rollout = Rollout { serial: args.serial.map(usize::from), max_failures: args.max_failures };
        let data_loss = args.accept_data_loss.iter().cloned().collect();
        let consent = Consent { data_loss, takeover: args.takeover };
        let of_fleet = |name: &MemberName| self.fleet.nodes().any(|node| node.member() == *name);
        if let Some(name) = args.accept_data_loss.iter().find(|name| !of_fleet(name)) {
            let help = "write HOST/NODE as `provision plan` names them; nothing was changed";
            return Err(Failure::usage(miette!(
                help = help,
                "--accept-data-loss {name}: there is no such node"
            )));
        }
        Ok(PlanOptions { tags: args.tags.clone(), limit, rollout, consent })
    }

    /// Inspects all hosts and the cluster. A host that is lost meanwhile loses its session.
    pub(super) async fn inspect<H: HostHandle>(
        &self,
        sessions: &mut Sessions<H>,
        unreachable: &mut Unreachable,
        consent: &Consent,
    ) -> Result<Inspection<Vec<Desired>>, Failure> {
        let blueprint =
            Blueprint { fleet: &self.fleet, playbook: &self.playbook, templates: &self.templates };
        let reasons = unreachable.reasons();
        let mut inspection = inspect::inspect(
            &self.fleet,
            sessions,
            reasons,
            &self.store,
            consent,
            |host, session, packages| {
                let desired = blueprint.desired_resources(host, &session.facts, &session.layout, packages);
                desired.map_err(Failure::from)
            },
        )
        .await?;
        for (host, error) in std::mem::take(&mut inspection.lost) {
            sessions.remove(&host);
            unreachable.add(host, error);
        }
        unreachable.require_some(!sessions.is_empty())?;
        Ok(inspection)
    }

    /// The plan that follows from an inspection. Its configurations are tried here where that is possible.
    pub(super) async fn plan(
        &self,
        inspection: Inspection<Vec<Desired>>,
        options: &PlanOptions,
    ) -> Result<Plan, Failure> {
        let facts: Vec<(HostName, Facts)> =
            inspection.hosts.iter().map(|(host, seen)| (host.clone(), seen.facts.clone())).collect();
        let mut plan = Plan::new(&PlanInput::new(&self.fleet, inspection, options))?;
        let facts = facts.iter().map(|(host, facts)| (host, facts));
        let foreign = run::foreign_servers(&plan, facts, &self.store);
        let warnings = run::try_here(&mut plan, &self.store).await?;
        for warning in foreign.into_iter().chain(warnings) {
            report::note(&warning);
        }
        Ok(plan)
    }
}
