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

#[cfg(test)]
mod tests {
    use super::*;

    fn without(value: Value) -> Value {
        let mut schema = Schema::try_from(value).unwrap();
        without_null(&mut schema);
        schema.into()
    }

    #[test]
    fn an_optional_key_may_be_absent_and_never_null() {
        use serde_json::json;
        assert_eq!(without(json!({ "type": ["string", "null"] })), json!({ "type": "string" }));
        assert_eq!(
            without(json!({ "type": ["string", "integer", "null"] })),
            json!({ "type": ["string", "integer"] })
        );
        let one = json!({ "description": "d", "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }] });
        assert_eq!(without(one), json!({ "description": "d", "$ref": "#/$defs/A" }));
        let two = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }, { "type": "null" }] });
        assert_eq!(without(two), json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }));
    }

    #[test]
    fn nothing_of_the_whole_schema_is_null() {
        assert!(!schema().to_string().contains("\"null\""));
    }
}
