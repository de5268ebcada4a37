//! From a version to a binary that can be shipped: where the source comes from, how it is checked, how it is
//! compiled, and the cache that keeps both so that nothing is downloaded or compiled twice.
//!
//! ```text
//! ArtifactSpec ── ArtifactStore::find ────────────────────────→ Artifact   (no compiler, no network)
//!    └── fetch (each SourceKind in turn) → Tarball → compile → Artifact   (with its Provenance)
//! ```

mod apt;
mod build;
mod builders;
mod compile;
mod context;
mod diagnose;
mod digests;
mod directive;
mod download;
mod elf;
mod error;
mod fetch;
mod libc;
mod output;
mod pins;
mod provenance;
mod recipe;
mod script;
mod source_url;
mod spec;
mod store;
mod tried;
mod verify_source;

pub use build::build;
pub use builders::{Builder, builders};
pub use context::BuildContext;
pub use diagnose::{Diagnosis, diagnose};
pub use directive::DirectiveNames;
pub use elf::{ElfRequirements, Incompatibility};
pub use error::{Error, Refusal};
pub use fetch::fetch;
pub use pins::{Pin, Pins};
pub use provenance::{Artifact, Provenance, SourceRecord};
pub use recipe::Recipe;
pub use spec::ArtifactSpec;
pub use store::ArtifactStore;
pub use verify_source::Tarball;
