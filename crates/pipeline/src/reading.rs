//! What reading both files has in common: from a text to a typed value and the tree behind it.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diagnostic::Diagnostics;
use crate::schema;
use crate::yaml::{Kind, Node, Place, Source};

/// The version of the language of both files that this program reads.
pub const LANGUAGE: u64 = 1;

/// Reads `source` as a `T`, whose published schema is `of`.
pub(crate) fn read<T: JsonSchema + DeserializeOwned>(
    source: &Source<'_>,
    of: &Value,
) -> Result<(Node, T), Diagnostics> {
    let node = source.parse()?;
    check_language(source, &node)?;
    let mut wrong = Vec::new();
    schema::check(source, &node, of, &mut wrong);
    Diagnostics::none_of(wrong)?;
    match node.to_typed() {
        Ok(file) => Ok((node, file)),
        // The schema's check finds everything; should it miss something, this says so without a place.
        Err(error) => Err(source.at(node.place, error.to_string(), None).into()),
    }
}

/// The number after `throughline:` decides how the rest is read, so it is looked at before.
pub(crate) fn check_language(source: &Source<'_>, node: &Node) -> Result<(), Diagnostics> {
    let hint = Some("begin the file with `throughline: 1`".to_owned());
    if matches!(node.kind, Kind::Null) {
        return Err(source.at(Place::START, "the file is empty", hint).into());
    }
    if !matches!(node.kind, Kind::Map(_)) {
        return Err(source
            .at(
                node.place,
                format!("the file must be a map, this is {}", node.what()),
                hint,
            )
            .into());
    }
    let Some((key, number)) = node.member("throughline") else {
        return Err(source.at(node.place, "`throughline: 1` is missing", hint).into());
    };
    let Kind::Integer(version) = &number.kind else {
        return Err(source.at(key.place, "`throughline` must be the number 1", hint).into());
    };
    match version.as_u64() {
        Some(LANGUAGE) => Ok(()),
        Some(newer) if newer > LANGUAGE => {
            let message =
                format!("this file is written for language version {newer}, this program reads version {LANGUAGE}");
            let hint =
                format!("it needs a Throughline that reads `throughline: {newer}`; upgrade, or write `throughline: 1`");
            Err(source.at(number.place, message, Some(hint)).into())
        }
        _ => Err(source
            .at(number.place, format!("there is no language version {version}"), hint)
            .into()),
    }
}
