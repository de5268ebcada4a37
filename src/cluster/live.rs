//! Setting directives on nodes that run.
//!
//! A directive is set on the node first, and its file is written after that. A run that stops in between
//! leaves the old file: the next plan finds the difference, and a node that ends meanwhile starts as it did
//! before. For the kind of file that keys are kept in, more must hold before the file may say so:
//!
//! - An AOF is switched on, and is written whole, before the file has the next start read it: a start that
//!   looks for an AOF takes the RDB file for nothing.
//! - Before an AOF is switched off, an RDB file is written, where there are save points: it is what the next
//!   start reads. Without any, the inventory wants nothing to be kept.

use crate::inventory::NodeRef;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::op::Op;
use crate::redis::{self, InfoSection, NodeReader, NodeWriter, PersistenceInfo, Query, Reply};

/// How long a node may write its keys out without one more key written; releases before 6.2 do not count
/// them, and have this long for all.
const WRITE_TIMEOUT: Duration = Duration::from_mins(10);
const WRITE_INTERVAL: Duration = Duration::from_millis(50);

/// Why a directive could not be set while a node runs.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LiveError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Redis(#[from] redis::Error),
    #[error("{node} refused `CONFIG SET {directive}`: {answer}")]
    #[diagnostic(help(
        "its file was not changed. Set `{directive}` to what the node takes, or back, and run the same command again; the \
         next plan shows what was set before this"
    ))]
    Refused { node: NodeRef, directive: String, answer: String },
    #[error("{node} could not write its keys to {file}, which its next start is to read: {why}")]
    #[diagnostic(help(
        "its file was not changed. See in its log why, free space or memory, then run the same command again"
    ))]
    NotWritten { node: NodeRef, file: &'static str, why: String },
}

/// Carries out the [`Op::Set`]s, one node after the other: what the first one refuses no other is asked for,
/// and nodes of one machine do not write their keys out at the same time. Returns how many directives were
/// set.
pub async fn set_live(writer: &NodeWriter<'_>, ops: &[Op]) -> Result<usize, LiveError> {
    let mut count = 0;
    for op in ops {
        let Op::Set { node, directive, value, .. } = op else { continue };
        match (directive.as_str(), value.as_str()) {
            ("appendonly", "yes") => {
                set(writer, *node, directive, value).await?;
                write_aof(writer, *node).await?;
            }
            ("appendonly", _) => {
                if has_save_points(writer.reader(), *node).await? {
                    write_rdb(writer, *node).await?;
                }
                set(writer, *node, directive, value).await?;
            }
            _ => set(writer, *node, directive, value).await?,
        }
        count += 1;
    }
    Ok(count)
}

async fn set(writer: &NodeWriter<'_>, node: NodeRef, directive: &str, value: &str) -> Result<(), LiveError> {
    let reply = send(writer, node, &["CONFIG", "SET", directive, value]).await?;
    let Some(answer) = reply.error() else { return Ok(()) };
    Err(LiveError::Refused { node, directive: directive.to_owned(), answer: answer.to_owned() })
}

async fn send(writer: &NodeWriter<'_>, node: NodeRef, words: &[&str]) -> Result<Reply, redis::Error> {
    let command = words.iter().map(|&word| word.to_owned()).collect();
    Ok(writer.write(node, &[command]).await?.into_iter().next().unwrap_or(Reply::Nil))
}

async fn has_save_points(reader: &NodeReader<'_>, node: NodeRef) -> Result<bool, redis::Error> {
    let replies = reader.read(node, &[Query::ConfigGet("save".to_owned())]).await?;
    Ok(replies.first().and_then(Reply::config_value).is_some_and(|points| !points.is_empty()))
}

/// Waits for the first AOF of a node: it is begun by the switch, or as soon as another save has ended.
async fn write_aof(writer: &NodeWriter<'_>, node: NodeRef) -> Result<(), LiveError> {
    let mut waiting = Waiting::new(node, "its AOF");
    let mut was_begun = false;
    loop {
        let info = persistence(writer.reader(), node).await?;
        let is_ok = info.aof_last_bgrewrite_status.as_deref() == Some("ok");
        let is_due = info.aof_rewrite_scheduled == Some(true);
        let runs = info.aof_rewrite_in_progress == Some(true);
        if is_ok && !is_due && !runs {
            return Ok(());
        }
        if !runs && !is_ok {
            if was_begun {
                return Err(waiting.failed("aof_last_bgrewrite_status"));
            }
            if !is_due {
                // What failed is older than this run: only a new attempt tells.
                was_begun = send(writer, node, &["BGREWRITEAOF"]).await?.error().is_none();
            }
        }
        was_begun |= runs;
        waiting.next(&info).await?;
    }
}

/// Writes an RDB file, as soon as no other save is at work, and waits for it.
async fn write_rdb(writer: &NodeWriter<'_>, node: NodeRef) -> Result<(), LiveError> {
    let mut waiting = Waiting::new(node, "its RDB file");
    let mut was_begun = false;
    loop {
        if !was_begun {
            was_begun = send(writer, node, &["BGSAVE"]).await?.error().is_none();
        }
        let info = persistence(writer.reader(), node).await?;
        if was_begun && info.rdb_bgsave_in_progress == Some(false) {
            return match info.rdb_last_bgsave_status.as_deref() {
                Some("ok") => Ok(()),
                _ => Err(waiting.failed("rdb_last_bgsave_status")),
            };
        }
        waiting.next(&info).await?;
    }
}

async fn persistence(reader: &NodeReader<'_>, node: NodeRef) -> Result<PersistenceInfo, redis::Error> {
    let replies = reader.read(node, &[Query::Info(InfoSection::Persistence)]).await?;
    Ok(PersistenceInfo::parse(replies.first().map_or("", Reply::text)))
}

/// A node that writes its keys out; each key is progress.
struct Waiting {
    node: NodeRef,
    file: &'static str,
    keys: u64,
    progressed: Instant,
}

impl Waiting {
    fn new(node: NodeRef, file: &'static str) -> Self {
        Self { node, file, keys: 0, progressed: Instant::now() }
    }

    async fn next(&mut self, info: &PersistenceInfo) -> Result<(), LiveError> {
        let keys = info.save_keys_processed.unwrap_or(0);
        if keys > self.keys {
            (self.keys, self.progressed) = (keys, Instant::now());
        }
        if self.progressed.elapsed() > WRITE_TIMEOUT {
            let why = format!("no further key was written for {}s", WRITE_TIMEOUT.as_secs());
            return Err(LiveError::NotWritten { node: self.node, file: self.file, why });
        }
        sleep(WRITE_INTERVAL).await;
        Ok(())
    }

    fn failed(&self, status: &str) -> LiveError {
        LiveError::NotWritten { node: self.node, file: self.file, why: format!("{status} is not ok") }
    }
}
