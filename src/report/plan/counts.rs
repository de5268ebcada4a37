//! The line of counts that ends a plan.

use crate::{
    plan::{Plan, Work},
    resource::Action,
};

impl Plan {
    /// `Plan for cluster demo in a lab: 12 to create, one build.`
    pub(super) fn counts(&self) -> String {
        let mut parts: Vec<String> = self
            .numbers()
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{number} {what}"))
            .collect();
        match self.stages.iter().map(|stage| stage.work.builders().len()).sum() {
            0 => {}
            1 => parts.push("one build".to_owned()),
            n => parts.push(format!("{n} builds")),
        }
        if self.stages.iter().any(|stage| matches!(stage.work, Work::Form { whole: false, .. })) {
            parts.push("the cluster to form or repair".to_owned());
        }
        if parts.is_empty() {
            parts.push("no changes to the hosts".to_owned());
        }
        format!("Plan for cluster {} {}: {}.", self.fleet.name, self.fleet.environment, parts.join(", "))
    }

    fn numbers(&self) -> [(usize, &'static str); 5] {
        let [mut create, mut update, mut start, mut run, mut undo] = [0; 5];
        for stage in &self.stages {
            match &stage.work {
                Work::Change(hosts) => {
                    for change in hosts.iter().flat_map(|host| &host.changes) {
                        *match change.difference.action {
                            Action::Create => &mut create,
                            Action::Update => &mut update,
                            Action::Start | Action::Restart => &mut start,
                            Action::Run => &mut run,
                        } += 1;
                    }
                }
                Work::Undo(hosts) => undo += hosts.iter().map(|host| host.entries.len()).sum::<usize>(),
                Work::Build(_) | Work::Form { .. } | Work::Verify => {}
            }
        }
        [
            (create, "to create"),
            (update, "to update"),
            (start, "to start or restart"),
            (run, "to run every time"),
            (undo, "to undo"),
        ]
    }
}
