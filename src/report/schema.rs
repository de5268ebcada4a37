//! What the verbs print with `--json`, as a JSON Schema.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::status::Status;
use crate::cluster::Evidence;

/// Everything there is a schema for.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "its schema is all that is needed of it")]
enum Output {
    /// `verify --json`
    Evidence(Evidence),
    /// `status --json`
    Status(Status),
}

/// The JSON Schema (draft 2020-12) of what the verbs print with `--json`.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Output>();
    schema.insert("title".to_owned(), "provision output".into());
    schema.into()
}
