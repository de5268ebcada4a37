//! The command line: one file a verb. A verb wires rooms together and holds no logic of its own.

mod apply;
mod args;
mod destroy;
mod exec;
mod exit;
mod file;
mod init;
mod inventory_arg;
mod lab;
mod logs;
mod plan;
mod project;
mod prompt;
mod run;
mod session;
mod status;
mod trust;
mod unreachable;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::{
    args::{Cli, Verb},
    exit::{Exit, Failure},
};
use crate::{inventory, report};

/// Parses the arguments, runs the verb, prints the error chain if there is one, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::failure(&miette::miette!("could not start: {error}"));
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report::failure(&failure.report);
            failure.exit.into()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    match cli.verb {
        Verb::Init(args) => init::run(&args),
        Verb::Plan(args) => plan::run(args).await,
        Verb::Apply(args) => apply::run(args).await,
        Verb::Status(args) => status::run(&args).await,
        Verb::Verify(args) => verify::run(&args).await,
        Verb::Destroy(args) => destroy::run(&args).await,
        Verb::Trust(args) => trust::run(&args).await,
        Verb::Exec(args) => exec::run(args).await,
        Verb::Logs(args) => logs::run(args).await,
        Verb::Lab(args) => lab::run(args).await,
        Verb::Schema(args) => {
            report::json(&if args.output { report::schema() } else { inventory::schema() });
            Ok(Exit::Done)
        }
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "provision", &mut script);
            report::result(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
    }
}
