//! `provision verify`: the numbered invariants.

use super::{
    args::Verify,
    exit::{Exit, Failure},
    file,
    fleet::{Loaded, connect, facts},
};
use crate::{
    cluster,
    plan::{servers, sides},
    report,
};

pub(super) async fn run(args: &Verify) -> Result<Exit, Failure> {
    file::writable("the evidence", args.junit.as_deref())?;
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    let reached = connect(&loaded.fleet, args.inventory.trust).await?;
    let servers = servers(&loaded.fleet, &reached.probes)?;
    let evidence =
        cluster::verify(&servers, &loaded.fleet, &sides(&loaded.fleet, &facts(&reached.probes).await?)).await;
    if let Some(path) = &args.junit {
        file::write("the evidence", path, report::junit(&evidence, &loaded.fleet.name).as_bytes())?;
    }
    if args.json {
        report::json(&evidence);
    } else {
        report::result(&report::evidence_table(&evidence));
    }
    Ok(reached.exit(if evidence.holds() { Exit::Done } else { Exit::Failed }, None))
}
