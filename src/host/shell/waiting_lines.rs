//! The lines on their way from a host to the script that they answer: bounded in bytes. Where nothing reads
//! them the surplus is dropped, and the channel is drained on: one that is not read stops all others of its
//! connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// How many bytes of lines may wait.
const MAX_WAITING: usize = 8 << 20;

/// How often a line that waits for room looks whether its script still reads.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// A line, and the room that it takes.
type Waiting = (String, Option<OwnedSemaphorePermit>);

/// Where lines come in.
pub(super) struct Sender {
    lines: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    is_read: Arc<AtomicBool>,
    sentinel: String,
}

/// Where a script reads them.
pub(super) struct Lines {
    lines: mpsc::UnboundedReceiver<Waiting>,
    is_read: Arc<AtomicBool>,
}

/// A queue for the lines of one shell. Those that begin with the sentinel are never dropped.
pub(super) fn queue(sentinel: &str) -> (Sender, Lines) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (room, is_read) = (Arc::new(Semaphore::new(MAX_WAITING)), Arc::new(AtomicBool::new(false)));
    let lines = Lines { lines: receiver, is_read: Arc::clone(&is_read) };
    (Sender { lines: sender, room, is_read, sentinel: sentinel.to_owned() }, lines)
}

impl Sender {
    /// Hands a line on, once there is room; `false` where nothing will read any more.
    pub(super) async fn send(&self, line: String) -> bool {
        if line.starts_with(&self.sentinel) {
            return self.lines.send((line, None)).is_ok();
        }
        let cost = u32::try_from(line.len() + size_of::<Waiting>()).unwrap_or(u32::MAX);
        loop {
            let room = Arc::clone(&self.room);
            let permit = match room.try_acquire_many_owned(cost) {
                Ok(permit) => Some(permit),
                Err(_) if !self.is_read.load(Ordering::SeqCst) => return !self.lines.is_closed(),
                Err(_) => {
                    let waiting = Arc::clone(&self.room).acquire_many_owned(cost);
                    timeout(ROOM_INTERVAL, waiting).await.ok().and_then(Result::ok)
                }
            };
            if permit.is_some() {
                return self.lines.send((line, permit)).is_ok();
            }
        }
    }
}

/// While it lives, lines wait for room and are not dropped.
pub(super) struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Lines {
    /// A script begins to read.
    pub(super) fn begin(&self) -> Reading {
        self.is_read.store(true, Ordering::SeqCst);
        Reading(Arc::clone(&self.is_read))
    }

    /// The next line; `None` at the end of the output.
    pub(super) async fn next(&mut self) -> Option<String> {
        self.lines.recv().await.map(|(line, _)| line)
    }

    /// Nothing will be read any more.
    pub(super) fn close(&mut self) {
        self.lines.close();
        while self.lines.try_recv().is_ok() {}
    }

    /// Whether the output has ended, or was closed.
    pub(super) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1 << 20;

    #[tokio::test]
    async fn what_nothing_reads_is_dropped_and_the_end_of_a_script_is_not() {
        let (sender, mut lines) = queue("end");
        for _ in 0..20 {
            assert!(sender.send("x".repeat(MEGABYTE)).await);
        }
        assert!(sender.send("end 0".to_owned()).await);
        let mut read = 0;
        while lines.next().await.unwrap() != "end 0" {
            read += 1;
        }
        assert_eq!(read, 7, "as many as there is room for");
    }

    #[tokio::test]
    async fn what_is_read_is_whole_however_much_it_is() {
        let (sender, mut lines) = queue("end");
        let reading = lines.begin();
        let sending = tokio::spawn(async move {
            for number in 0..40 {
                assert!(sender.send(format!("{number} {}", "x".repeat(MEGABYTE - 100))).await);
            }
        });
        for number in 0..40 {
            assert!(lines.next().await.unwrap().starts_with(&format!("{number} ")));
        }
        assert_eq!(lines.next().await, None);
        sending.await.unwrap();
        drop(reading);
        assert!(!lines.is_read.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn nothing_is_kept_once_nothing_will_be_read() {
        let (sender, mut lines) = queue("end");
        assert!(sender.send("one".to_owned()).await && !lines.is_closed());
        lines.close();
        assert!(!sender.send("two".to_owned()).await && lines.is_closed());
    }
}
