//! The inventory as a JSON Schema, for editors and for `provision schema`.

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use super::raw::Inventory;

/// The JSON Schema (draft 2020-12) of an inventory file.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let mut schema = settings.into_generator().into_root_schema_for::<Inventory>();
    schema.insert("title".to_owned(), "provision inventory".into());
    schema.into()
}

/// A key of a TOML file may be absent, but never null.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = &types[..] {
            let kind = kind.clone();
            object.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(mut kinds)) = object.remove("anyOf") {
        kinds.retain(|kind| kind.get("type") != Some(&Value::from("null")));
        match &mut kinds[..] {
            [Value::Object(only)] => object.append(only),
            _ => drop(object.insert("anyOf".to_owned(), kinds.into())),
        }
    }
}
