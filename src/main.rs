//! The command line: parse, run, exit code. The one place that prints an error chain.

use std::process::ExitCode;

fn main() -> ExitCode {
    provision::cli::main()
}
