//! `provision status`: what runs where.

use super::{
    args::Look,
    exit::{Exit, Failure},
    session::{Project, connect},
};
use crate::report::{self, Status};

pub(super) async fn run(args: &Look) -> Result<Exit, Failure> {
    let project = Project::new(&args.inventory.path, args.inventory.single_host)?;
    let mut connected = connect(&project.fleet, args.inventory.trust).await?;
    let status = Status::new(&project.fleet, &connected.inspect(&project).await?);
    if args.json {
        report::json(&status);
    } else {
        report::result(&report::status(&status));
    }
    Ok(connected.exit(if status.healthy { Exit::Done } else { Exit::Failed }, None))
}
