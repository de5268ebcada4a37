//! The computation: which changes, in which stages, lead from what was observed to what is desired.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desired, Error, HostChanges, Job, Plan, PlanInput, Stage, Work};
use crate::{cluster::Op, resource::Trials, units::HostName};

impl Plan {
    /// The difference between what is desired and what is. Pure: equal inputs give equal plans. Fails where
    /// it is known that the plan could not be carried out.
    pub fn new(input: &PlanInput<'_>) -> Result<Self, Error> {
        input.check_preconditions()?;
        let (stages, settings) = input.stages();
        input.check_binaries_available(&stages)?;
        let hosts = input.hosts.iter().map(|(name, snapshot)| (name.clone(), snapshot.baseline())).collect();
        let mut cluster = input.cluster.clone();
        cluster.ops.extend(settings);
        Ok(Self {
            provision: env!("CARGO_PKG_VERSION").to_owned(),
            fleet: input.fleet.clone(),
            hosts,
            unreachable: input.unreachable.clone(),
            notices: input.notices(),
            rollout: input.options.rollout,
            limit: input.options.limit.clone(),
            cluster,
            stages,
            trials: Trials::default(),
        })
    }
}

impl PlanInput<'_> {
    /// The stages of the plan, and what is set on running nodes before them. The steps are the same on every
    /// host: they come from one playbook.
    fn stages(&self) -> (Vec<Stage>, Vec<Op>) {
        let Some(steps) = self.hosts.values().next().map(|snapshot| &snapshot.desired) else {
            return (Vec::new(), Vec::new());
        };
        let mut changing: BTreeMap<&HostName, BTreeSet<String>> = BTreeMap::new();
        let mut settings = Vec::new();
        let mut stages = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let selected = self.options.is_selected(step);
            let changes =
                if selected { self.changes(index, &mut changing, &mut settings) } else { Vec::new() };
            let change = (!changes.is_empty()).then_some(Work::Change(changes));
            let stage = |work| Stage { step: step.step.clone(), work };
            stages.extend(change.map(stage));
            stages.extend(self.job(step, selected, &stages).map(stage));
        }
        (stages, settings)
    }

    /// `changing` collects the paths that earlier steps change on each host, and `settings` what is set on
    /// running nodes.
    fn changes<'s>(
        &'s self,
        step: usize,
        changing: &mut BTreeMap<&'s HostName, BTreeSet<String>>,
        settings: &mut Vec<Op>,
    ) -> Vec<HostChanges> {
        let included = self.hosts.iter().filter(|(host, _)| self.options.includes(host));
        let hosts = included.filter_map(|(host, snapshot)| {
            let builds = self.builders.iter().any(|builder| builder.host == *host);
            let changing = changing.entry(host).or_default();
            let (changes, of_host) = snapshot.changes(step, changing, &self.config, builds);
            settings.extend(of_host);
            (!changes.is_empty()).then(|| HostChanges { host: host.clone(), changes })
        });
        hosts.collect()
    }

    /// What a step does besides its changes. Where nothing was done there is nothing to verify, unless
    /// `--tags` asks for it.
    fn job(&self, step: &Desired, selected: bool, before: &[Stage]) -> Option<Work> {
        match step.job {
            Job::Build if selected && !self.builders.is_empty() => Some(Work::Build(self.builders.clone())),
            Job::Form => self.form(selected, before),
            Job::Verify
                if selected && self.is_complete() && !(self.options.tags.is_empty() && before.is_empty()) =>
            {
                Some(Work::Verify)
            }
            _ => None,
        }
    }

    /// Forming is due where something is missing, and after restarts, which change settings for a while:
    /// those include it whatever the tags say, since nothing else restores the settings.
    fn form(&self, selected: bool, before: &[Stage]) -> Option<Work> {
        let restarts = before.iter().any(|stage| stage.work.restarts_nodes());
        if !self.is_complete() {
            return None;
        }
        let missing = self.form.as_deref().filter(|_| selected || restarts);
        let why = missing.or_else(|| restarts.then_some("see that it is whole again after the restarts"))?;
        Some(Work::Form { topology: self.topology.clone(), why: why.to_owned(), whole: missing.is_none() })
    }
}
