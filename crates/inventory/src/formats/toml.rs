//! TOML as JSON values, so that readers know one kind of tree.

use serde_json::Value;

use super::Broken;

/// Reads a text.
pub(crate) fn read(text: &str) -> Result<Value, Broken> {
    toml::from_str::<toml::Table>(text)
        .map(|table| value(toml::Value::Table(table)))
        .map_err(|error| Broken {
            line: error
                .span()
                .and_then(|span| crate::reading::line_at(text, span.start.min(text.len()))),
            problem: format!("is not valid TOML: {}", error.message()),
        })
}

fn value(from: toml::Value) -> Value {
    match from {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(yes) => Value::Bool(yes),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(list) => Value::Array(list.into_iter().map(value).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, item)| (key, value(item))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_text_names_its_line() {
        assert_eq!(read("[a]\nb = 1\n").unwrap()["a"]["b"], 1);
        assert_eq!(read("[a]\nb = \n").unwrap_err().line, Some(2));
        assert!(read(&format!("a = {}", "[".repeat(50_000))).is_err());
    }
}
