//! `provision init`: an inventory to start from.

use std::io::Write;

use miette::{IntoDiagnostic, WrapErr, miette};

use super::{
    args::Init,
    exit::{Exit, Failure},
};
use crate::report;

const STARTER: &str = include_str!("../../inventory/single-host.toml");

pub(super) fn run(args: &Init) -> Result<Exit, Failure> {
    let path = &args.path;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let help = "name another file: `provision init other.toml`";
            return Err(Failure::usage(miette!(
                help = help,
                "{} exists already, and is left as it is",
                path.display()
            )));
        }
        other => other.into_diagnostic().wrap_err_with(|| format!("could not write {}", path.display())),
    }
    .map_err(Failure::usage)?;
    let written = file
        .write_all(STARTER.replace("inventory/single-host.toml", &path.display().to_string()).as_bytes())
        .into_diagnostic();
    written.wrap_err_with(|| format!("could not write {}", path.display())).map_err(Failure::usage)?;
    report::result(&format!("wrote {0}\nnext: provision apply {0}", path.display()));
    Ok(Exit::Done)
}
