//! `provision verify`: the numbered invariants.

use super::{
    args::Verify,
    exit::{Exit, Failure},
    file,
    session::{Project, connect, facts},
};
use crate::{
    cluster,
    inspect::{host_check_targets, servers},
    report,
};

pub(super) async fn run(args: &Verify) -> Result<Exit, Failure> {
    file::writable("the evidence", args.junit.as_deref())?;
    let project = Project::new(&args.inventory.path, args.inventory.single_host)?;
    let connected = connect(&project.fleet, args.inventory.trust).await?;
    let servers = servers(&project.fleet, &connected.probes)?;
    let evidence = cluster::verify(
        &servers,
        &project.fleet,
        &host_check_targets(&project.fleet, &facts(&connected.probes).await?),
    )
    .await;
    if let Some(path) = &args.junit {
        file::write("the evidence", path, report::junit(&evidence, &project.fleet.name).as_bytes())?;
    }
    if args.json {
        report::json(&evidence);
    } else {
        report::result(&report::evidence_table(&evidence));
    }
    Ok(connected.exit(if evidence.holds() { Exit::Done } else { Exit::Failed }, None))
}
