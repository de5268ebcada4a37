//! `provision` turns bare machines, or this one, into a Redis or Valkey Cluster whose replication is proven.
//!
//! One flow, one direction:
//!
//! ```text
//! inventory.toml ─load→ Inventory ─resolve→ Fleet
//! playbooks/*.toml ─load→ Playbook
//! Fleet + Playbook ─desire→ [Resource] per host
//! Probe.ask([Resource]) → Observed             (one read-only exec per host)
//! plan(desired, observed) → Plan               (pure; serde; stable order)
//! run(Plan) → Event…                           (the only code that changes anything)
//! verify(Fleet) → Evidence                     (numbered invariants)
//! ```
//!
//! The rooms, and who may know whom: `cli → plan, run, cluster, lab, report → resource, build, playbook → host,
//! inventory`. Nothing below looks up; [`event`] and [`secret`] know nobody but the words of the inventory. Redis types stay in [`cluster`], russh types in `host/ssh`; printing stays in
//! [`report`] and [`cli`].

pub mod artifact;
pub mod atomic_file;
pub mod cache_dir;
pub mod cli;
pub mod cluster;
pub mod distro;
pub mod event;
pub mod hashed_copy;
pub mod host;
pub mod inspect;
pub mod inventory;
pub mod lab;
pub mod plan;
pub mod playbook;
pub mod redis;
pub mod report;
pub mod resource;
pub mod run;
pub mod secret;
