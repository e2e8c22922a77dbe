//! What surrounds steps: the stage, the machine, the folder, and what wrappers change.

use super::syntax::Call;
use crate::occasion::Occasions;

/// What holds for the steps of a place.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) occasions: Occasions,
    pub(super) stage: Vec<String>,
    pub(super) folder: String,
    pub(super) runner: Option<String>,
    pub(super) image: Option<String>,
    pub(super) ignored: bool,
    pub(super) timeout: Option<u32>,
    pub(super) needs: Vec<String>,
    pub(super) manual: Option<u32>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) matrix: Option<u32>,
}

/// What a wrapper changes for what is in it.
pub(super) fn enter(call: &Call, around: &mut Around) {
    match call.name.as_str() {
        "dir" => {
            if let Some((folder, _)) = call.text() {
                around.folder = crate::purpose::join(&around.folder, folder);
            }
        }
        "catchError" => {
            let result = call.named("buildResult").map(|(value, _)| value);
            around.ignored |= result.as_deref() == Some("SUCCESS");
        }
        "timeout" => around.timeout = Some(call.line),
        "node" => around.runner = call.text().map(|(text, _)| text.to_owned()),
        _ => {}
    }
}

pub(super) fn agent(call: &Call, around: &mut Around) {
    if let Some(label) = call.inside("label").next().and_then(Call::text) {
        around.runner = Some(label.0.to_owned());
    }
    for docker in call.inside("docker") {
        let image = docker
            .text()
            .or_else(|| docker.inside("image").next().and_then(Call::text));
        around.image = image.map(|(image, _)| image.to_owned());
    }
    if let Some((label, _)) = call.named("label") {
        around.runner = Some(label);
    }
}
