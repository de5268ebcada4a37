//! The `[cluster]` table.

use std::net::{IpAddr, SocketAddr};

use super::{config, resolver::Resolver, secret::Key};
use crate::{
    inventory::{
        endpoints::Endpoints,
        engine::{Engine, Version},
        fleet::Directives,
        hints,
        ports::{self, BadPort},
        problem::Problem,
        raw::{Auth, AuthWord, Cluster, SecretLocation},
        spanned::Spanned,
    },
    secret::SecretSource,
};

/// `[cluster]` with its defaults.
pub(super) struct Resolved {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) version: Version,
    pub(super) replicas: usize,
    pub(super) port: u16,
    /// `None` where it is the port + 10000.
    pub(super) bus_port: Option<u16>,
    pub(super) auth: Option<SecretSource>,
    /// False where the inventory does not mention a password.
    pub(super) auth_decided: bool,
    pub(super) config: Directives,
    /// False where the port or the replicas are wrong already: what follows from them would only repeat it.
    pub(super) sound: bool,
    known: bool,
}

impl Resolved {
    /// What the engine's directives are judged by, where engine and version could be read.
    pub(super) fn release(&self) -> Option<(Engine, Version)> {
        self.known.then_some((self.engine, self.version))
    }

    /// Where the node of a host listens that comes so many places after the first.
    pub(super) fn listen(&self, ip: IpAddr, step: u16) -> Endpoints {
        let client = SocketAddr::new(ip, self.port.saturating_add(step));
        match self.bus_port {
            Some(first) => Endpoints { client, bus_port: first.saturating_add(step) },
            None => Endpoints::at(client),
        }
    }

    /// Whether the last of so many nodes on one host has ports that it can have.
    pub(super) fn last_ports(&self, nodes: i64) -> Result<(), BadPort> {
        let last = |first: u16| i64::from(first).saturating_add(nodes) - 1;
        match self.bus_port {
            Some(bus_port) => {
                ports::check_alone(last(self.port))?;
                ports::check_alone(last(bus_port))?;
            }
            None => drop(ports::check(last(self.port))?),
        }
        Ok(())
    }
}

/// The directive `cluster-port` came with it (release notes of Redis 7.0).
const CLUSTER_PORT_SINCE: Version = Version::new(7, 0, 0);

const VERSION_HELP: &str = "a version is major.minor.patch of a release, such as \"7.0.15\"";

pub(super) fn resolve(written: Option<&Spanned<Cluster>>, resolver: &mut Resolver<'_>) -> Resolved {
    let nothing = Spanned { value: Cluster::default(), span: 0..0 };
    if written.is_none() {
        let help = "start with [cluster], and `name` and `version` in it";
        resolver.missing(&["cluster"], &nothing.span, help);
    }
    let cluster = written.unwrap_or(&nothing);
    let wrong = |path| resolver.was_removed(path);
    let unread = [&["cluster"][..], &["cluster", "port"], &["cluster", "bus_port"], &["cluster", "replicas"]];
    let unread = unread.into_iter().any(wrong);
    let auth_unread = wrong(&["cluster", "auth"]);
    if written.is_some() {
        required(cluster, resolver);
    }
    let before = resolver.count();
    let port = cluster.port.as_ref().map_or(Some(7001), |port| match cluster.bus_port {
        Some(_) => resolver.port_alone(port),
        None => resolver.port(port),
    });
    let bus_port = cluster.bus_port.as_ref().and_then(|port| resolver.port_alone(port));
    let replicas = cluster.replicas.as_ref().map_or(1, |replicas| count(replicas, resolver));
    let sound = !unread && resolver.count() == before;
    let engine = cluster.engine.as_ref().map_or(Some(Engine::Redis), |engine| self::engine(engine, resolver));
    let version = cluster.version.as_ref().and_then(|version| self::version(version, engine, resolver));
    if let Some((at, has)) = cluster.bus_port.as_ref().zip(version)
        && engine == Some(Engine::Redis)
        && has < CLUSTER_PORT_SINCE
    {
        let problem = Problem::new(format!("the bus port of Redis {has} is always the port + 10000"));
        resolver.report(
            problem.at(&at.span, "Redis 7.0 made it a choice").help("remove it, or take a newer release"),
        );
    }
    Resolved {
        name: cluster.name.as_ref().map(|name| self::name(name, resolver)).unwrap_or_default(),
        engine: engine.unwrap_or(Engine::Redis),
        version: version.unwrap_or(Version::new(0, 0, 0)),
        replicas,
        port: port.unwrap_or(7001),
        bus_port,
        auth: cluster.auth.as_ref().and_then(|auth| self::auth(auth, resolver)),
        auth_decided: cluster.auth.is_some() || auth_unread,
        config: config::resolve(cluster.config.as_ref(), engine.zip(version), resolver),
        sound,
        known: engine.and(version).is_some(),
    }
}

fn required(cluster: &Spanned<Cluster>, resolver: &mut Resolver<'_>) {
    if cluster.name.is_none() {
        resolver.missing(&["cluster", "name"], &cluster.span, "give the cluster a name: name = \"orders\"");
    }
    if cluster.version.is_none() {
        resolver.missing(
            &["cluster", "version"],
            &cluster.span,
            "say which release to build: version = \"7.0.15\"",
        );
    }
}

fn name(name: &Spanned<String>, resolver: &mut Resolver<'_>) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good =
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 32 && name.chars().all(plain);
    if !good {
        let kept: String = name.to_lowercase().chars().map(|c| if plain(c) { c } else { '-' }).collect();
        let kept = kept.trim_start_matches(|c: char| !c.is_ascii_lowercase());
        let kept = kept.get(..kept.len().min(32)).unwrap_or_default();
        let help =
            if kept.is_empty() { "such as \"orders\"".to_owned() } else { format!("such as \"{kept}\"") };
        let problem = Problem::new(format!("`{}` cannot be a cluster's name", name.value));
        let rule = "a lowercase letter, then lowercase letters, digits and `-`, at most 32 in all";
        resolver.report(problem.at(&name.span, rule).help(help));
    }
    name.value.clone()
}

fn engine(engine: &Spanned<String>, resolver: &mut Resolver<'_>) -> Option<Engine> {
    match engine.as_str() {
        "redis" => Some(Engine::Redis),
        "valkey" => Some(Engine::Valkey),
        other => {
            let problem = Problem::new(format!("there is no engine `{other}`"));
            let help = hints::suggest(other, &["redis", "valkey"]);
            resolver.report(problem.at(&engine.span, "unknown engine").help(help));
            None
        }
    }
}

fn version(text: &Spanned<String>, engine: Option<Engine>, resolver: &mut Resolver<'_>) -> Option<Version> {
    let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let Some(version) = text.parse::<Version>().ok().filter(|_| digits) else {
        let problem = Problem::new(format!("`{}` is not a version", text.value));
        resolver.report(problem.at(&text.span, "not major.minor.patch").help(VERSION_HELP));
        return None;
    };
    let too_old = match engine? {
        Engine::Redis if version.major < 3 => "Redis Cluster came with 3.0",
        Engine::Valkey if (version.major, version.minor) < (7, 2) => "Valkey began with 7.2.5",
        _ => return Some(version),
    };
    let problem = Problem::new(format!("version {version} cannot form a cluster"));
    resolver.report(problem.at(&text.span, too_old).help("take a newer release"));
    None
}

fn count(replicas: &Spanned<i64>, resolver: &mut Resolver<'_>) -> usize {
    match usize::try_from(replicas.value) {
        Ok(count) if count <= 10 => count,
        _ => {
            let problem = Problem::new(format!("{} replicas per master", replicas.value));
            resolver.report(
                problem.at(&replicas.span, "0 to 10").help("1 is the usual number; 2 survive a second loss"),
            );
            1
        }
    }
}

/// The password of a cluster, where the inventory mentions one.
fn auth(auth: &Spanned<Auth>, resolver: &mut Resolver<'_>) -> Option<SecretSource> {
    let key = Key { path: &["cluster", "auth"], word: "auth = \"generate\"", variable: "REDIS_PASSWORD" };
    match &auth.value {
        SecretLocation::Word(AuthWord::Generate) => Some(generated(resolver)),
        SecretLocation::Word(AuthWord::None) => None,
        SecretLocation::Table(table) => key.table(table, &auth.span, resolver),
        SecretLocation::Literal => {
            key.literal(&auth.span, resolver);
            None
        }
    }
}

/// A password that is drawn on first use.
pub(super) fn generated(resolver: &Resolver<'_>) -> SecretSource {
    SecretSource::Generate(resolver.files().auth())
}
