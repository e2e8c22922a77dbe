//! Attempts whose commands run in a container, by Podman or Docker through their command line.
//!
//! The server looks for an engine and tries once how it wants to be asked here ([`engine`]); the shim
//! starts the container, listens to it, ends and removes it ([`attempt`]):
//!
//! ```text
//! server ── socket ── shim ── `podman run` ... the container: the step's processes
//!                       └──── two files that it writes what it says to ([`said`])
//! ```
//!
//! A container is named after its attempt, and what is needed to take it up again stands beside the
//! attempt's log. So it outlives server and shim: the next shim of the run finds it, reads on in the same
//! files, and records its outcome; the containers of its services are taken up with it. Who is left over
//! without such a record is removed ([`leftovers`]).

pub(crate) mod attempt;
pub(crate) mod command;
pub(crate) mod engine;
pub(crate) mod image;
pub(crate) mod leftovers;
pub(crate) mod life;
pub(crate) mod probe;
pub(crate) mod record;
pub(crate) mod said;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which container engine an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerChoice {
    /// Podman where it works, else Docker.
    #[default]
    Auto,
    /// Podman alone.
    Podman,
    /// Docker alone.
    Docker,
    /// None: steps with an image fail.
    Off,
}

/// When an image is fetched from its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// Where it is not on this machine.
    #[default]
    Missing,
    /// Each time.
    Always,
    /// Never: it must be on this machine.
    Never,
}

/// An image of this machine, found by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name that was asked for.
    pub name: String,
    /// Which image that is here: what is run, whatever the name comes to mean in the meantime.
    pub id: String,
    /// The digest of its manifest where that is known, else the image's id.
    pub digest: String,
}

/// The container that an attempt's commands run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The image.
    pub image: Image,
    /// The user within the container, in the form that the engine takes; absent for the user that the
    /// server runs as, to whom the files in its folders belong.
    pub user: Option<String>,
    /// The folders that it sees, each at the path that it has outside.
    pub folders: Vec<PathBuf>,
}

/// What an attempt or a service ran in, as the outcome tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contained {
    /// The engine and its version.
    pub engine: String,
    /// The image, by the name that was asked for.
    pub image: String,
    /// Its digest.
    pub digest: String,
}

impl Contained {
    pub(crate) fn new(engine: &engine::Engine, container: &Container) -> Self {
        Self {
            engine: engine.told(),
            image: container.image.name.clone(),
            digest: container.image.digest.clone(),
        }
    }
}
