//! Texts of scripts: quoting, minifying, framing.

use std::{borrow::Cow, io};

/// Quotes a word of a script. A word cannot contain NUL; nothing that is loaded from TOML does.
pub fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), Cow::into_owned)
}

/// A script as it is sent, without comments and indentation: every byte of it goes to every host.
/// Not for scripts with here-documents.
pub fn minify(script: &str) -> String {
    let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// A program as one line, which login shells of any kind pass on between single quotes. It must have none
/// itself, and each of its lines must end where a blank may follow: after `;` or a word.
pub(in crate::host) fn one_line(program: &str) -> String {
    minify(program).trim_end().replace('\n', " ")
}

/// A program with its parameters as variables in front.
pub fn with_parameters(parameters: &[(&str, &str)], program: &str) -> String {
    let assignments = parameters.iter().map(|(name, value)| format!("{name}={}\n", quote(value)));
    assignments.chain([program.to_owned()]).collect()
}

/// A script that prints its output in one piece: printed line by line, each line may be a packet of its own.
pub fn buffer_output(script: &str) -> String {
    format!("said=$(\n{script})\nended=$?\nprintf '%s\\n' \"$said\"\nexit $ended\n")
}

/// A random word that no output can forge.
pub(in crate::host) fn sentinel() -> io::Result<String> {
    let mut bits = [0u8; 12];
    getrandom::fill(&mut bits)?;
    Ok(format!("provision-{}", hex::encode(bits)))
}

/// A script as the shell gets it. The braces make it one compound command: a connection that is lost in the
/// middle of sending leaves an open brace, and the shell runs nothing of it.
pub(super) fn framed(command: &str, sentinel: &str) -> String {
    format!("{{\n{command}\nprintf '\\n%s %s\\n' '{sentinel}' \"$?\"\n}}\n")
}
