//! `provision status`: what runs where.

use super::{
    args::Look,
    exit::{Exit, Failure},
    fleet::{Loaded, connect},
};
use crate::report::{self, Status};

pub(super) async fn run(args: &Look) -> Result<Exit, Failure> {
    let loaded = Loaded::new(&args.inventory.path, args.inventory.single_host)?;
    let mut reached = connect(&loaded.fleet, args.inventory.trust).await?;
    let status = Status::new(&loaded.fleet, &reached.survey(&loaded).await?);
    if args.json {
        report::json(&status);
    } else {
        report::result(&report::status(&status));
    }
    Ok(reached.exit(if status.healthy { Exit::Done } else { Exit::Failed }, None))
}
