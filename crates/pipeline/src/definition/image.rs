//! The image that a step's commands run in.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::Reader;
use crate::plan::{ImagePull, ImageUse};
use crate::yaml::{Node, Place};

/// The longest name of an image.
const LONGEST_NAME: usize = 300;

/// The image's name alone, or all there is to say about it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Image {
    Name(String),
    Rule(ImageRule),
}

impl JsonSchema for Image {
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<String>(), generator.subschema_for::<ImageRule>()] })
    }
}

/// An image, when it is fetched, and as which user its commands run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageRule {
    /// The image's name, such as `rust:1.80` or `quay.io/team/tools@sha256:…`. Without a registry it is
    /// one of Docker's.
    pub name: String,
    /// When it is fetched from its registry; `missing` by default.
    #[serde(default)]
    pub pull: ImagePull,
    /// The user within the container, a name or number of the image, and a group after `:`. By default
    /// the user that runs steps without an image, to whom the workspace belongs.
    pub user: Option<String>,
}

impl Image {
    /// The name, for filling in.
    pub(super) fn name_mut(&mut self) -> &mut String {
        match self {
            Self::Name(name) => name,
            Self::Rule(rule) => &mut rule.name,
        }
    }
}

impl Reader<'_> {
    /// A checked image, written at `key` of `node`.
    pub(super) fn image(&self, node: &Node, key: &str, image: &Image) -> ImageUse {
        let written = node.get(key);
        let place = |inner: &str| match written {
            Some(written) if written.get(inner).is_some() => written.place_of(&[inner]),
            _ => node.place_of(&[key]),
        };
        let image = match image {
            Image::Name(name) => ImageUse {
                name: name.clone(),
                pull: ImagePull::default(),
                user: None,
            },
            Image::Rule(rule) => ImageUse {
                name: rule.name.clone(),
                pull: rule.pull,
                user: rule.user.clone(),
            },
        };
        self.image_name(place("name"), &image.name);
        if let Some(user) = &image.user {
            let word = |text: &str| {
                !text.is_empty()
                    && !text.starts_with('-')
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            };
            let (user, group) = user.split_once(':').unwrap_or((user, "0"));
            if !word(user) || !word(group) {
                let hint = "write a name or a number, such as `node` or `1000:1000`";
                self.checks
                    .say(place("user"), format!("`{user}` is no user of an image"), Some(hint));
            }
        }
        image
    }

    fn image_name(&self, place: Place, name: &str) {
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let fits = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b));
        if !begins || !fits || name.len() > LONGEST_NAME {
            let shown: String = name.chars().take(80).collect();
            let hint = if name.contains('$') {
                "only the axes of the step's own `matrix` are filled in"
            } else {
                "write it as for `podman pull`, such as `rust:1.80` or `quay.io/team/tools:2`"
            };
            self.checks
                .say(place, format!("`{shown}` is no name of an image"), Some(hint));
        }
    }
}
