//! `provision verify`: the numbered invariants.

use super::{
    args::Verify,
    exit::{Exit, Failure},
    file,
    inventory_arg::resolve,
    project::Project,
    session::open,
    unreachable::reporting_unreachable,
};
use crate::{
    cluster::{self, ProofMode},
    inspect::host_check_targets,
    redis::NodeReader,
    report,
};

pub(super) async fn run(args: &Verify) -> Result<Exit, Failure> {
    file::writable("the evidence", args.junit.as_deref())?;
    let Project { fleet, .. } =
        Project::new(&resolve(args.inventory.path.as_deref())?, args.inventory.single_host)?;
    reporting_unreachable(async |unreachable| {
        let sessions = open(&fleet, args.inventory.trust, unreachable).await?;
        let reader = NodeReader::new(&fleet, sessions.probes())?;
        let mode = if args.read_only { ProofMode::ReadOnly } else { ProofMode::WriteProbes };
        let evidence = cluster::verify(&reader, &fleet, &host_check_targets(&fleet, &sessions), mode).await;
        if let Some(path) = &args.junit {
            file::write("the evidence", path, report::junit(&evidence, &fleet.name).as_bytes())?;
        }
        if args.json {
            report::json(&evidence);
        } else {
            report::result(&report::evidence_table(&evidence));
        }
        Ok(unreachable.exit(if evidence.holds() { Exit::Done } else { Exit::Failed }, None))
    })
    .await
}
