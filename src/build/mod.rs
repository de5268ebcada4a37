//! From a version to a binary that can be shipped: where the source comes from, how it is checked, how it is
//! compiled, and the cache that keeps both so that nothing is downloaded or compiled twice.
//!
//! ```text
//! Want ── Cache::find ──────────────────────────────────────────────→ Artefact   (no compiler, no network)
//!    └─── fetch (Place after Place, SHA-256) → Tarball → make → keep → Artefact   (with its Provenance)
//! ```

mod apt;
mod artefact;
mod builders;
mod cache;
mod check;
mod diagnose;
pub(crate) mod digest;
mod digests;
mod directive;
mod download;
mod elf;
mod error;
mod libc;
mod make;
mod offer;
mod pins;
mod recipe;
mod said;
mod script;
mod source;
mod twin;
mod want;

pub use artefact::{Artefact, Provenance, SourceRecord, build};
pub use builders::{Builder, builders};
pub use cache::Cache;
pub use diagnose::{Diagnosis, diagnose};
pub use directive::Names;
pub use elf::{Misfit, Needs};
pub use error::{Error, Refusal};
pub use pins::{Pin, Pins};
pub use recipe::Recipe;
pub use source::{Tarball, fetch};
pub use want::Want;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;
