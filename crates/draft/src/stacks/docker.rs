//! A repository of which only a Dockerfile says how it is built.

use super::make_scratch;
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::view::{View, join};

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = view.first_of(folder, &["Dockerfile", "Containerfile"])?;
    let mut part = Part::new("Container image", Tool::Docker, folder);
    part.because(&path);
    part.uses("docker");
    let (into, ignored) = view.scratch(folder, &["build", "out", "dist"]);
    let mut run = make_scratch(into, ignored);
    run.push("tag=\"throughline/${THROUGHLINE_COMPONENT##*/}:$THROUGHLINE_RUN\"".to_owned());
    run.push(format!(
        "docker build --tag \"$tag\" --file {} .",
        crate::view::name_of(&path)
    ));
    run.push(format!("docker save --output {into}/image.tar \"$tag\""));
    part.steps
        .push(Step::new(Role::Build, run).about("Docker, or Podman under Docker's name"));
    part.files
        .push(Shipped::new(format!("{}/image.tar", join("", into)), "image.tar"));
    Some(part)
}
