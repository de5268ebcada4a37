//! Whether every host reaches the client and bus ports of every other one: asked before any two nodes are introduced. A
//! node that cannot be reached from all targets makes a cluster that forms and then fails.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use futures_util::future::join_all;

use crate::{
    event::StepEvents,
    host,
    inventory::{Fleet, Host, Node},
    redis::Servers,
};

/// A path that is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedPath {
    /// The host that tried.
    pub from: String,
    /// The host that could not be reached, and where on it.
    pub to: String,
    pub port: u16,
    /// What the kernel said: `Connection refused`, `No route to host`, or that nothing came.
    pub why: String,
}

impl fmt::Display for BlockedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}:{} {}", self.from, self.to, self.port, self.why)
    }
}

/// Hosts do not reach each other.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConnectivityError {
    #[error("the nodes cannot reach each other:{}", .blocked.iter().take(10).map(|path| format!("\n  {path}")).collect::<String>() + &more(.blocked.len()))]
    #[diagnostic(help(
        "open {ports} to the other hosts of the cluster (firewalld: firewall-cmd --permanent --add-port={first}/tcp, then --reload), then run the same command again; no node was introduced to another"
    ))]
    BlockedPath { blocked: Vec<BlockedPath>, ports: String, first: u16 },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Host(#[from] host::Error),
}

fn more(count: usize) -> String {
    if count > 10 { format!("\n  and {} more", count - 10) } else { String::new() }
}

/// Tries all paths between hosts, all hosts at the same time. The started nodes are the listeners.
pub async fn check_connectivity(
    servers: &Servers,
    fleet: &Fleet,
    events: &StepEvents,
) -> Result<(), ConnectivityError> {
    let tries = fleet.hosts.iter().filter(|_| fleet.hosts.len() > 1).map(|host| from(servers, fleet, host));
    let (mut blocked, mut unchecked) = (Vec::new(), 0);
    for answer in join_all(tries).await {
        match answer? {
            Some(paths) => blocked.extend(paths),
            None => unchecked += 1,
        }
    }
    if unchecked > 0 {
        events.notice(format!("{unchecked} hosts have no bash: that they reach all ports was not checked"));
    }
    if blocked.is_empty() {
        return Ok(());
    }
    let mut wanted: Vec<u16> = blocked.iter().map(|path| path.port).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (first, all) =
        (wanted.first().copied().unwrap_or_default(), wanted.iter().map(|port| format!("{port}/tcp")));
    Err(ConnectivityError::BlockedPath { ports: all.collect::<Vec<_>>().join(", "), first, blocked })
}

/// The blocked paths from one host; `None` where nothing is there to try them with.
async fn from(
    servers: &Servers,
    fleet: &Fleet,
    host: &Host,
) -> Result<Option<Vec<BlockedPath>>, host::Error> {
    let Some(probe) = servers.probe(&host.name) else { return Ok(Some(Vec::new())) };
    let others = fleet.nodes().filter(|node| node.host != host.name);
    let paths: BTreeMap<SocketAddr, &Node> = others
        .flat_map(|node| [node.port(), node.bus_port()].map(|port| (SocketAddr::new(node.ip(), port), node)))
        .collect();
    let list: String = paths.keys().map(|path| format!("{} {}\n", path.ip(), path.port())).collect();
    // The open ones take a millisecond each, and far longer where many hosts share a processor.
    let patience = 2 + paths.len() / 20;
    let script = format!("patience={patience} paths={}\n{TRY}", host::quote(&list));
    let lines = probe.ask("which ports of the other hosts it reaches", &script).await?;
    if lines.first().is_some_and(|line| line == "no bash") {
        return Ok(None);
    }
    Ok(Some(lines.iter().filter_map(|line| blocked(host, &paths, line)).collect()))
}

/// `10.0.0.2 17001 bash: connect: Connection refused`
fn blocked(host: &Host, paths: &BTreeMap<SocketAddr, &Node>, line: &str) -> Option<BlockedPath> {
    let mut words = line.splitn(3, ' ');
    let path = SocketAddr::new(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let why = match words.next()?.rsplit(": ").next().unwrap_or_default() {
        "Connection refused" => "refused: firewalld, or does it listen?".to_owned(),
        "No route to host" => "no route: firewalld rejects it, or the host is off".to_owned(),
        "" => "no answer within 5s, twice: a firewall drops it".to_owned(),
        other => other.to_owned(),
    };
    let to = paths.get(&path)?.host.clone();
    Some(BlockedPath { from: host.name.clone(), to, port: path.port(), why })
}

/// Prints the paths that are blocked, with what the kernel says. The open ones are tried in one process, one after the
/// other, which takes no time; what is left when that hangs is tried again, many at once, and what says nothing a third time:
/// a busy host may be slow.
const TRY: &str = r#"
command -v bash >/dev/null || { echo 'no bash'; exit 0; }
open=$(printf %s "$paths" | timeout "$patience" bash -c '
  while read -r ip port; do
    if { exec 3<>"/dev/tcp/$ip/$port"; } 2>/dev/null; then exec 3>&-; echo "$ip $port"; fi
  done')
printf %s "$paths" | {
tried=0
while read -r path; do
  case "
$open
" in *"
$path
"*) continue ;; esac
  {
    for patience in 5 5; do
      said=$(timeout $patience bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash ${path% *} ${path#* } 2>&1) && exit
      [ -z "$said" ] || break
    done
    echo "$path $(echo "$said" | head -n 1 | sed 's/^bash: connect: //')"
  } &
  tried=$((tried + 1))
  [ $((tried % 32)) -ne 0 ] || wait
done
wait
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_tells_open_from_closed() {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (listener, gone) = (listen(), listen());
        let [open, shut] = [&listener, &gone].map(|listener| listener.local_addr().unwrap().port());
        drop(gone);
        let script = format!("patience=2 paths='127.0.0.1 {open}\n127.0.0.1 {shut}\n'\n{TRY}");
        #[expect(clippy::disallowed_methods, reason = "a real shell is the oracle")]
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains(&format!("127.0.0.1 {shut} ")) && said.contains("Connection refused"),
            "{said}"
        );
        assert!(!said.contains(&format!("127.0.0.1 {open} ")), "{said}");
    }
}
