//! `provision verify`: the numbered invariants.

use std::io::Write;

use miette::{IntoDiagnostic, WrapErr};

use super::{
    args::Verify,
    exit::{Exit, Failure},
    fleet::{Loaded, connect, facts},
};
use crate::{
    cluster,
    plan::{servers, sides},
    report,
};

pub(super) async fn run(args: &Verify) -> Result<Exit, Failure> {
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    let probes = connect(&loaded.fleet).await?;
    let servers = servers(&loaded.fleet, &probes)?;
    let evidence =
        cluster::verify(&servers, &loaded.fleet, &sides(&loaded.fleet, &facts(&probes).await?)).await;
    if let Some(file) = &args.junit {
        let written = std::fs::File::create(file)
            .and_then(|mut file| file.write_all(report::junit(&evidence, &loaded.fleet.name).as_bytes()))
            .into_diagnostic()
            .wrap_err_with(|| format!("could not write {}", file.display()));
        written.map_err(Failure::usage)?;
    }
    if args.json {
        report::json(&evidence);
    } else {
        report::result(&report::evidence_table(&evidence));
    }
    Ok(if evidence.holds() { Exit::Done } else { Exit::Failed })
}
