//! `provision status`: what runs where.

use super::{
    args::Look,
    exit::{Exit, Failure},
    inventory_arg::resolve,
    project::Project,
    session::open,
    unreachable::reporting_unreachable,
};
use crate::cluster::Consent;
use crate::report::{self, Status};

pub(super) async fn run(args: &Look) -> Result<Exit, Failure> {
    let project = Project::new(&resolve(args.inventory.path.as_deref())?, args.inventory.single_host)?;
    reporting_unreachable(async |unreachable| {
        let mut sessions = open(&project.fleet, args.inventory.trust, unreachable).await?;
        let status = Status::new(
            &project.fleet,
            &project.inspect(&mut sessions, unreachable, &Consent::default()).await?,
        );
        if args.json {
            report::json(&status);
        } else {
            report::result(&report::status(&status));
        }
        Ok(unreachable.exit(if status.healthy { Exit::Done } else { Exit::Failed }, None))
    })
    .await
}
