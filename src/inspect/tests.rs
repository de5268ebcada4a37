//! Inspection of this machine, which it cannot change, with nodes that do not run.

use std::collections::BTreeSet;

use super::*;
use crate::{
    cluster::{ClusterState, Consent},
    host::{Connector, NoPrompt, Pool, Probe},
    inventory::{self, Fold},
    resource::{Action, Binary, Content, File, Layout, Resource},
};

type Desired = Vec<Resource>;

impl Resources for Desired {
    fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.iter()
    }
}

/// A fleet with this machine as its one host; nothing listens on the port of its nodes.
fn fleet() -> Fleet {
    let text = "[cluster]\nname = \"inspected\"\nversion = \"7.0.15\"\nreplicas = 0\nauth = \"none\"\nport = 19731\n\
                [[hosts]]\nname = \"here\"\naddress = \"local\"\nnodes = 3\n";
    inventory::parse("inspected.toml", text, Fold::AsWritten).unwrap()
}

async fn sessions(fleet: &Fleet) -> ProbeSessions {
    let pool = Pool::new(Connector::new("known_hosts".into(), false, Box::new(NoPrompt)));
    let mut sessions = Sessions::default();
    for host in &fleet.hosts {
        let probe = Probe::connect(host, &pool).await.unwrap();
        sessions.insert(host.name.clone(), Session::open(fleet, probe).await.unwrap());
    }
    sessions
}

fn cache() -> ArtifactStore {
    ArtifactStore::new(crate::cache_dir::CacheDir::at("/nonexistent"))
}

fn file(path: &str) -> Resource {
    let content = Content::Text("hi".to_owned());
    Resource::File(File { path: path.to_owned(), content, mode: 0o644, owner: None })
}

#[tokio::test]
async fn a_session_has_the_facts_of_its_host_and_the_layout_that_follows() {
    let fleet = fleet();
    let sessions = sessions(&fleet).await;
    let session = sessions.get(&"here".into()).unwrap();
    assert_eq!(session.probe().name(), "here");
    assert_eq!(session.facts.uid, rustix::process::getuid().as_raw());
    assert_eq!(session.layout, Layout::new(&fleet, &session.facts));
    assert_eq!(sessions.probes().count(), 1);
}

#[tokio::test]
async fn what_is_desired_is_asked_for_and_returned_beside_what_was_observed() {
    let fleet = fleet();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("there").display().to_string();
    std::fs::File::create(&path).unwrap();
    let sessions = sessions(&fleet).await;
    let desired =
        |_: &Host, _: &Session<_>, _: &[String]| Ok::<_, Error>(vec![file(&path), file("/nonexistent/x")]);
    let inspection =
        inspect(&fleet, &sessions, BTreeMap::new(), &cache(), &Consent::default(), desired).await.unwrap();
    let host = &inspection.hosts["here"];
    assert_eq!(host.desired.len(), 2);
    let changes = |path: &str| file(path).compare(&host.observed, &BTreeSet::new()).unwrap().action;
    assert_eq!(changes(&path), Action::Update, "it is there, with another content");
    assert_eq!(changes("/nonexistent/x"), Action::Create);
    assert!(!host.missing_binary, "none is desired");
    assert!(matches!(inspection.assessment.state, ClusterState::Unformed { no_process_running: true }));
}

#[tokio::test]
async fn a_host_that_lacks_the_server_is_asked_again_with_the_packages_of_a_build() {
    let fleet = fleet();
    let sessions = sessions(&fleet).await;
    let asked = std::sync::Mutex::new(Vec::new());
    let desired = |_: &Host, session: &Session<_>, packages: &[String]| {
        asked.lock().unwrap().push(!packages.is_empty());
        let mut layout = session.layout.clone();
        layout.bin = "/nonexistent/bin".to_owned();
        Ok::<_, Error>(vec![Resource::Binary(Binary::new(&fleet, &layout, "recipe"))])
    };
    let inspection =
        inspect(&fleet, &sessions, BTreeMap::new(), &cache(), &Consent::default(), desired).await.unwrap();
    let host = &inspection.hosts["here"];
    assert!(host.missing_binary);
    let can_install = host.facts.is_root() && host.facts.distro().is_some();
    assert_eq!(*asked.lock().unwrap(), if can_install { vec![false, true] } else { vec![false] });
}

#[tokio::test]
async fn a_host_without_a_session_must_be_unreachable() {
    let fleet = fleet();
    let none = ProbeSessions::default();
    let desired = |_: &Host, _: &Session<_>, _: &[String]| Ok::<_, Error>(Desired::new());
    let result = inspect(&fleet, &none, BTreeMap::new(), &cache(), &Consent::default(), desired).await;
    assert!(matches!(result, Err(Error::NoSession(NoSession { host })) if host == "here"));
    let unreachable = BTreeMap::from([("here".into(), "no route to host".to_owned())]);
    let inspection =
        inspect(&fleet, &none, unreachable, &cache(), &Consent::default(), desired).await.unwrap();
    assert!(inspection.hosts.is_empty() && inspection.lost.is_empty());
    assert_eq!(inspection.unreachable["here"], "no route to host");
}

#[tokio::test]
async fn an_error_of_what_is_desired_ends_the_inspection() {
    let fleet = fleet();
    let sessions = sessions(&fleet).await;
    let refuse = |_: &Host, _: &Session<_>, _: &[String]| {
        Err::<Desired, Error>(crate::secret::Error::Unset("ORDERS_PASSWORD".to_owned()).into())
    };
    let result = inspect(&fleet, &sessions, BTreeMap::new(), &cache(), &Consent::default(), refuse).await;
    assert!(matches!(result, Err(Error::Secret(_))));
}

#[tokio::test]
async fn verify_looks_where_the_layout_of_the_session_says() {
    let fleet = fleet();
    let sessions = sessions(&fleet).await;
    let targets = host_check_targets(&fleet, &sessions);
    let (target, session) = (&targets["here"], sessions.get(&"here".into()).unwrap());
    assert_eq!(target.layout, session.layout);
    assert_eq!(target.units, session.facts.runs_units());
    let binary = target.binary.as_deref().unwrap();
    assert!(binary.starts_with(&session.layout.bin) && binary.ends_with("/redis-server"), "{binary}");
}
