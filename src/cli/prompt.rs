//! Questions on the terminal.

use std::io::{IsTerminal, Write};

use miette::{IntoDiagnostic, miette};

use super::exit::Failure;
use crate::{host::Prompt, report, secret::SecretString};

/// The terminal the process was started from, whatever its standard input is.
pub(super) struct Terminal;

impl Prompt for Terminal {
    fn secret(&self, question: &str) -> Option<SecretString> {
        rpassword::prompt_password(format!("{question}: ")).ok().map(SecretString::from)
    }

    fn notice(&self, host: &str, text: &str) {
        report::note(&format!("{host}: {text}"));
    }
}

/// Refuses `--json` without `--yes`: with `--json` the plan is not shown, and what was not shown cannot be
/// confirmed.
pub(super) fn check_noninteractive(json: bool, yes: bool) -> Result<(), Failure> {
    if json && !yes {
        let help = "add --yes; what would change is shown without --json";
        return Err(Failure::usage(miette!(help = help, "--json asks nothing, and --yes is missing")));
    }
    Ok(())
}

/// Asks on the terminal, and refuses where there is none.
pub(super) fn confirm(question: &str, accept: impl Fn(&str) -> bool) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        let help = "add --yes to go ahead without being asked";
        return Err(Failure::usage(miette!(help = help, "there is no terminal to ask for confirmation on")));
    }
    let _ = write!(anstream::stderr(), "{question}");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).into_diagnostic().map_err(Failure::usage)?;
    Ok(accept(answer.trim()))
}

/// Whether an answer to a `[y/N]` question is a yes.
pub(super) fn is_yes(answer: &str) -> bool {
    matches!(answer, "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::{super::exit::Exit, *};

    #[test]
    fn json_needs_yes() {
        let failure = check_noninteractive(true, false).err().unwrap();
        assert_eq!(failure.exit, Exit::Usage);
        for (json, yes) in [(true, true), (false, false), (false, true)] {
            assert!(check_noninteractive(json, yes).is_ok());
        }
    }

    #[test]
    fn anything_but_yes_is_no() {
        assert!(["y", "Y", "yes"].into_iter().all(is_yes));
        assert!(!["", "n", "no", "yep", "ye", "orders"].into_iter().any(is_yes));
    }
}
