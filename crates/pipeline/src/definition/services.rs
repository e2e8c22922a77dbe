//! What runs beside a step.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Reader;
use super::image::Image;
use crate::checks::to_text;
use crate::duration;
use crate::named::Named;
use crate::plan::ServiceUse;
use crate::schema::Scalar;
use crate::yaml::{Node, Place};

/// How long a service may take until it is ready, where nothing is said, in seconds.
const USUAL_PATIENCE: u64 = 60;
/// The longest name of a service.
const LONGEST_NAME: usize = 40;

/// A service beside a step: a process (`run`), or a container (`image`, and `run` where its own commands
/// are not wanted).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Beside {
    /// Its commands. They go on for as long as the service is wanted, and listen on the port in `$PORT`.
    pub run: Option<String>,
    /// The image that it runs in; on the machine itself by default.
    pub image: Option<Image>,
    /// With an image: the port that it listens on in its container.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u32>,
    /// Variables set for it.
    #[serde(default)]
    pub variables: BTreeMap<String, Scalar>,
    /// How to see that it is ready; when its port answers, within a minute, by default.
    pub ready: Option<Ready>,
}

/// How to see that a service is ready.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    /// Commands that succeed when it is, asked again and again: on the machine, or with an image in its
    /// container.
    pub run: Option<String>,
    /// How long that may take, in whole seconds; `60s` by default.
    #[schemars(regex(pattern = duration::PATTERN))]
    pub within: Option<String>,
}

impl Reader<'_> {
    /// The checked services of a step.
    pub(super) fn services(&self, step: &Node, services: &Named<Beside>) -> Vec<ServiceUse> {
        let nodes = step.get("services").map(Node::members).unwrap_or_default();
        let written = services.0.iter().zip(nodes);
        written
            .map(|((name, service), (key, node))| self.beside(name, service, key.place, node))
            .collect()
    }

    fn beside(&self, name: &str, service: &Beside, place: Place, node: &Node) -> ServiceUse {
        let checks = self.checks;
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= LONGEST_NAME
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            let shown: String = name.chars().take(80).collect();
            let hint = "begin with a lower-case letter, and go on with those, digits and `-`, such as `db`";
            checks.say(place, format!("`{shown}` is no name of a service"), Some(hint));
        }
        match (&service.run, &service.image) {
            (None, None) => checks.say(
                place,
                format!("the service `{name}` has neither `run` nor `image`"),
                Some("write the commands that start it, or name an image"),
            ),
            (Some(run), _) => checks.script(node, "run", run),
            (None, Some(_)) => {}
        }
        match (&service.image, service.port) {
            (Some(_), None) => checks.say(
                node.place_of(&["image"]),
                format!("the service `{name}` needs `port`"),
                Some("say on which port it listens in its container, such as `port: 5432`"),
            ),
            (None, Some(_)) => checks.say(
                node.place_of(&["port"]),
                "`port` is without effect here: a process is given a free one",
                Some("remove it, and let the commands listen on `$PORT`"),
            ),
            _ => {}
        }
        if let Some(variables) = node.get("variables") {
            checks.texts(variables);
        }
        let mut within_seconds = USUAL_PATIENCE;
        if let (Some(ready), Some(node)) = (&service.ready, node.get("ready")) {
            within_seconds = checks.seconds(node, "within", ready.within.as_deref(), USUAL_PATIENCE);
            if let Some(run) = &ready.run {
                checks.script(node, "run", run);
            }
        }
        let variables = service.variables.iter();
        ServiceUse {
            name: name.to_owned(),
            run: service.run.clone(),
            image: service.image.as_ref().map(|image| self.image(node, "image", image)),
            port: service.port.and_then(|port| u16::try_from(port).ok()),
            variables: variables
                .map(|(name, value)| (name.clone(), to_text(&value.0)))
                .collect(),
            ready: service.ready.as_ref().and_then(|ready| ready.run.clone()),
            within_seconds,
        }
    }
}
