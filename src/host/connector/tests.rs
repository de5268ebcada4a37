use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::{
    host::prompt::NoPrompt,
    secret::{ExposeSecret, SecretSource},
};

/// Answers every question with itself, and counts them.
struct Echo(Arc<AtomicUsize>);

impl Prompt for Echo {
    fn secret(&self, question: &str) -> Option<SecretString> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Some(format!("answer to {question}").into())
    }

    fn notice(&self, _: &str, _: &str) {}
}

fn connector(prompt: impl Prompt + 'static) -> Connector {
    Connector::new(PathBuf::from("/no/pins"), false, Box::new(prompt))
}

#[tokio::test]
async fn a_question_is_asked_once_for_all_hosts() {
    let asked = Arc::default();
    let connector = connector(Echo(Arc::clone(&asked)));
    let ask = async |question| connector.secret(None, question).await.unwrap().unwrap();
    let (one, two, other) = tokio::join!(ask("a"), ask("a"), ask("b"));
    assert_eq!(one.expose_secret(), "answer to a");
    assert_eq!(two.expose_secret(), "answer to a");
    assert_eq!(other.expose_secret(), "answer to b");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_secret_that_is_kept_in_a_file_is_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    crate::atomic_file::write(&file, b"kept\n", crate::atomic_file::Mode::Private).unwrap();
    let asked = Arc::default();
    let kept = Credential::Kept(SecretSource::File(file));
    let connector = connector(Echo(Arc::clone(&asked)));
    let secret = connector.secret(Some(&kept), "passphrase").await.unwrap().unwrap();
    assert_eq!((secret.expose_secret(), asked.load(Ordering::SeqCst)), ("kept", 0));
}

#[tokio::test]
async fn without_a_terminal_there_is_no_answer() {
    assert!(connector(NoPrompt).secret(None, "password").await.unwrap().is_none());
}

#[tokio::test]
async fn one_server_gets_no_more_than_its_share_of_connections() {
    let connector = connector(NoPrompt);
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTS_PER_SERVER {
        held.push(connector.acquire_slot("n1", 22).await.unwrap());
    }
    let soon =
        |host, port| tokio::time::timeout(Duration::from_millis(50), connector.acquire_slot(host, port));
    assert!(soon("n1", 22).await.is_err(), "a ninth connection to one server has to wait");
    assert!(soon("n1", 2222).await.is_ok(), "another port is another server");
    assert!(soon("n2", 22).await.is_ok());
    held.pop();
    assert!(soon("n1", 22).await.is_ok(), "a slot that was given back is free");
}

#[tokio::test]
async fn all_servers_together_get_no_more_than_the_total() {
    let connector = connector(NoPrompt);
    let mut held = Vec::new();
    for number in 0..MAX_CONNECTS {
        held.push(connector.acquire_slot(&format!("n{number}"), 22).await.unwrap());
    }
    let one_more = tokio::time::timeout(Duration::from_millis(50), connector.acquire_slot("last", 22));
    assert!(one_more.await.is_err());
}

#[tokio::test]
async fn an_unreadable_file_of_known_hosts_is_an_error_and_a_missing_one_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let connector = connector(NoPrompt);
    assert!(connector.known_hosts(vec![folder.path().join("missing")]).await.is_ok());
    let error = connector.known_hosts(vec![folder.path().to_owned()]).await.unwrap_err();
    assert!(error.contains(&folder.path().display().to_string()), "{error}");
}
