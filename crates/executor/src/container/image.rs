//! From an image's name to the image: looked for on this machine, fetched where that is wanted.

use std::time::Duration;

use super::engine::{Engine, Kind, PATIENCE};
use super::{Image, Pull};

/// How long fetching an image may take.
const FETCHING: Duration = Duration::from_secs(30 * 60);

/// The image of this name, fetched as `pull` says.
///
/// # Errors
/// Why it cannot be had, with a hint.
pub(crate) async fn resolve(engine: &Engine, name: &str, pull: Pull) -> Result<Image, String> {
    if pull != Pull::Always
        && let Some(image) = look(engine, name).await?
    {
        return Ok(image);
    }
    if pull == Pull::Never {
        return Err(format!(
            "the image `{name}` is not on this machine, and `pull: never` keeps it from being fetched (hint: build or import it first, or write `pull: missing`)"
        ));
    }
    let full = full_name(name);
    engine.ask(&["pull", "-q", &full], FETCHING).await.map_err(|why| {
        format!(
            "the image `{name}` cannot be fetched: {why} (hint: try `{} pull {full}`)",
            engine.kind.program()
        )
    })?;
    look(engine, &full)
        .await?
        .map(|image| Image {
            name: name.to_owned(),
            ..image
        })
        .ok_or_else(|| format!("the image `{name}` was fetched, and is not there"))
}

/// The image of this name, if it is on this machine.
async fn look(engine: &Engine, name: &str) -> Result<Option<Image>, String> {
    let question = match engine.kind {
        Kind::Podman => "{{.Id}} {{.Digest}}",
        Kind::Docker => "{{.Id}} {{range .RepoDigests}}{{.}} {{end}}",
    };
    let answer = match engine
        .ask(&["image", "inspect", "--format", question, name], PATIENCE)
        .await
    {
        Ok(answer) => answer,
        Err(why) if why.to_lowercase().contains("no such image") || why.contains("not known") => return Ok(None),
        Err(why) => return Err(format!("the image `{name}` cannot be looked at: {why}")),
    };
    let mut words = answer.split_whitespace();
    let id = words.next().unwrap_or_default().to_owned();
    // Docker says `name@digest`, of each registry that the image came from.
    let digest = words
        .next()
        .map(|word| word.rsplit('@').next().unwrap_or(word).to_owned());
    let with_kind = if id.contains(':') {
        id.clone()
    } else {
        format!("sha256:{id}")
    };
    Ok(Some(Image {
        name: name.to_owned(),
        digest: digest.filter(|digest| !digest.is_empty()).unwrap_or(with_kind),
        id,
    }))
}

/// A name without a registry is one of Docker's, whichever engine fetches it.
fn full_name(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_image_for_both_engines() {
        for (name, full) in [
            ("alpine:3", "docker.io/library/alpine:3"),
            ("bitnami/redis", "docker.io/bitnami/redis"),
            ("quay.io/a/b:1", "quay.io/a/b:1"),
            ("localhost/a", "localhost/a"),
            ("registry:5000/a", "registry:5000/a"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }
}
