//! `[ssh]`, and `[hosts.ssh]` over it.

use std::path::PathBuf;

use super::{
    resolver::Resolver,
    secret::{self, Key},
};
use crate::inventory::{fleet, problem::Problem, range, raw::Ssh, spanned::Spanned};

/// What one table says; `at` is the path of the table, for keys that could not be read.
pub(super) fn resolve(
    written: Option<&Spanned<Ssh>>,
    at: &[&str],
    resolver: &mut Resolver<'_>,
) -> fleet::Ssh {
    let Some(table) = written else { return fleet::Ssh::default() };
    let mut credential = |name: &str, kept: &Option<Spanned<_>>| {
        let path = [at, &[name]].concat();
        let word = format!("{name} = \"ask\"");
        let key = Key { path: &path, word: &word, variable: "SSH_PASSWORD" };
        kept.as_ref().and_then(|kept| secret::credential(&key, kept, resolver))
    };
    let password = credential("password", &table.password);
    let passphrase = credential("passphrase", &table.passphrase);
    let sudo = credential("sudo", &table.sudo);
    fleet::Ssh {
        user: table.user.as_ref().and_then(|user| account(user, resolver)),
        port: table.port.as_ref().and_then(|port| self::port(port, resolver)),
        identity: table
            .identity
            .iter()
            .flat_map(|files| &files.value)
            .filter_map(|file| identity(file, resolver))
            .collect(),
        via: table
            .via
            .as_ref()
            .map(|hops| hops.iter().filter_map(|jump| self::jump(jump, resolver)).collect()),
        password,
        passphrase,
        sudo,
        legacy: table.legacy.as_ref().is_some_and(|legacy| legacy.value),
    }
}

/// The settings of a host: its own, and `[ssh]` for those it leaves open.
pub(super) fn over(own: fleet::Ssh, all: &fleet::Ssh) -> fleet::Ssh {
    let all = all.clone();
    fleet::Ssh {
        user: own.user.or(all.user),
        port: own.port.or(all.port),
        identity: if own.identity.is_empty() { all.identity } else { own.identity },
        via: own.via.or(all.via),
        password: own.password.or(all.password),
        passphrase: own.passphrase.or(all.passphrase),
        sudo: own.sudo.or(all.sudo),
        legacy: own.legacy || all.legacy,
    }
}

fn account(user: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<String> {
    if is_account(user) {
        return Some(user.value.clone());
    }
    let problem = Problem::new(format!("`{}` is not an account name", user.value));
    resolver.report(
        problem.at(&user.span, "letters, digits, `_`, `-` and `.`").help("write it as in /etc/passwd"),
    );
    None
}

fn is_account(user: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !user.is_empty() && !user.starts_with('-') && user.chars().all(plain)
}

fn port(port: &Spanned<i64>, resolver: &mut Resolver<'_>) -> Option<u16> {
    let found = u16::try_from(port.value).ok().filter(|port| *port > 0);
    if found.is_none() {
        let problem = Problem::new(format!("{} is not a port", port.value));
        resolver.report(
            problem.at(&port.span, "1 to 65535").help("sshd listens on 22 unless it was told otherwise"),
        );
    }
    found
}

fn identity(file: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<PathBuf> {
    let name = resolver.line("the file's name", file)?;
    match name.strip_prefix("~/") {
        Some(rest) => etcetera::home_dir().ok().map(|home| home.join(rest)),
        None => Some(resolver.path(&name)),
    }
}

/// `[user@]host[:port]`, with an IPv6 address in brackets where a port follows.
fn jump(written: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<String> {
    let (user, rest) = match written.split_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, written.as_str()),
    };
    let (host, port) = split_port(rest);
    let good = user.is_none_or(is_account)
        && (range::is_dns_name(host) || host.parse::<std::net::IpAddr>().is_ok())
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    if good {
        return Some(written.value.clone());
    }
    let problem = Problem::new(format!("`{}` is not a jump host", written.value.escape_debug()));
    resolver.report(
        problem.at(&written.span, "[user@]host[:port]").help("such as \"admin@bastion.example:2222\""),
    );
    None
}

/// The host, without brackets, and the port behind it.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}
