//! `throughline run --rebuild`: built twice from nothing, and compared.
//!
//! Each build works in a copy of what git does not ignore, in a folder of its own, without kept results and tools'
//! caches; so neither finds what the other, or an earlier run, left behind.

use std::path::{Path, PathBuf};

use artifact::package::{Difference, difference_between};
use artifact::{BlobStore, Package};
use cache::Tree;
use facts::RunId;
use local::{Folders, Local};
use pipeline::plan::PACKAGE;
use serde::Serialize;

use super::follow::{self, View};
use super::targets::Target;
use super::{Wanted, options, read, tell, told};
use crate::cli::LocalRunArgs;
use crate::commands::Around;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::LocalSettings;
use crate::sharing::Sentences;
use crate::show;
use crate::show::paint::{Tone, paint};
use crate::wire::DifferingFile;

/// What both builds came to.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    component: String,
    reproducible: bool,
    first: facts::Digest,
    second: facts::Digest,
    /// The entries that differ, by path.
    files: Vec<DifferingFile>,
    /// The parts of the package's config that differ.
    config: Vec<String>,
    /// Whether both hold the same and are only packed differently.
    encoding_only: bool,
}

/// A folder that goes when the value is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf) -> Result<Self, Failure> {
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|error| unusable(&folder, &error))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the user's cache folder, under a name of its own.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be used: {error}", path.display()))
}

/// Builds twice, and says what differs.
pub(super) async fn twice(
    target: &Target,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let mut wanted = read(target, Vec::new(), args, settings, around, printer).await?;
    if !wanted.plan.steps.iter().any(|step| step.action == PACKAGE) {
        return Err(
            Failure::new(Exit::Usage, "the definition makes no package that could be compared")
                .hint("say what belongs into it with `package`"),
        );
    }
    wanted.plan = build::rebuild::from_nothing(&wanted.plan);
    let id = RunId::new(around.clock.now(), &*around.entropy);
    let scratch = Scratch::new(settings.cache.join("rebuilds").join(id.to_string()))?;
    let mut builds = Vec::new();
    for name in ["first", "second"] {
        if !args.json.json {
            printer.say(&paint(Tone::Quiet, &format!("the {name} build, from nothing")));
        }
        builds.push(build_in(&scratch.0.join(name), &wanted, args, settings, around, printer).await?);
    }
    let compared = tokio::task::spawn_blocking(move || {
        let [(one, first), (other, second)] = &builds[..] else {
            return Err("there are no two builds".to_owned());
        };
        let difference = difference_between((one, first), (other, second)).map_err(|error| error.to_string())?;
        Ok((first.digest, second.digest, difference))
    });
    let compared = compared
        .await
        .map_err(|panic| Failure::new(Exit::Failed, panic.to_string()))?;
    let (first, second, difference) = compared.map_err(|error| Failure::new(Exit::Failed, error))?;
    let document = document(&wanted, first, second, &difference);
    if args.json.json {
        printer.document(&document)?;
    } else {
        let component = &document.component;
        let text = show::rebuild::twice(
            component,
            (&document.first, &document.second),
            &document.files,
            &document.config,
            document.encoding_only,
            &printer.sight,
        );
        printer.data(&text)?;
    }
    match document.reproducible {
        true => Ok(()),
        false => Err(Failure::told(Exit::Failed)),
    }
}

fn document(wanted: &Wanted, first: facts::Digest, second: facts::Digest, difference: &Difference) -> Document {
    Document {
        schema: "local-rebuild/1",
        component: wanted.here.component.name.to_string(),
        reproducible: first == second,
        first,
        second,
        files: difference.files.iter().map(DifferingFile::from).collect(),
        config: difference.config.clone(),
        encoding_only: difference.encoding_only,
    }
}

/// One build in a copy; where its package lies, and which.
async fn build_in(
    folder: &Path,
    wanted: &Wanted,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<(BlobStore, Package), Failure> {
    let (from, work) = (wanted.here.component.folder.clone(), folder.join("work"));
    let copied = {
        let work = work.clone();
        tokio::task::spawn_blocking(move || copy(&from, &work)).await
    };
    copied.map_err(|panic| Failure::new(Exit::Failed, panic.to_string()))??;
    let mut here = Wanted {
        others: wanted.others.clone(),
        here: wanted.here.clone(),
        definition: wanted.definition.clone(),
        plan: wanted.plan.clone(),
    };
    here.here.component.folder.clone_from(&work);
    let folders = Folders::of(&folder.join("kept"), &work);
    let blobs = folders.blobs.clone();
    let mut options = options(&here, args, settings, around, &Sentences::default())?;
    options.folders = folders;
    options.sharing = None;
    let local = Local::open(options).await.map_err(told)?;
    let line = here.here.branch.clone();
    let run = local
        .start(here.plan.clone(), here.definition.digest(), line)
        .await
        .map_err(told)?;
    let screen = around.screen.filter(|_| !args.json.json && !super::is_dumb(settings));
    let view = View::new(screen, false, args.json.json, around.clock.clone(), wanted.modules());
    let ended = follow::follow(&local, run, view, &here, printer).await;
    let package = ended.as_ref().ok().and_then(follow::Ended::package);
    let told_of = match &ended {
        // Why a step failed is told as in any other run.
        Ok(ended) if package.is_none() => tell::ended(&here, ended, Ok(None), &local, args, printer),
        _ => Ok(()),
    };
    local.close(Some(run)).await;
    ended?;
    told_of?;
    let package = package.ok_or_else(|| Failure::new(Exit::Failed, "the build made no package"))?;
    let store = BlobStore::open(&blobs).map_err(|error| unusable(&blobs, &error))?;
    let package = Package::read(&store, &package).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok((store, package))
}

/// Copies what git does not ignore, with the rights of each file.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let tree = Tree::look(from).map_err(|error| unusable(from, &error))?;
    std::fs::create_dir_all(to).map_err(|error| unusable(to, &error))?;
    for file in tree.into_files() {
        let (source, target) = (from.join(&file.path), to.join(&file.path));
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|error| unusable(parent, &error))?;
        }
        let kind = std::fs::symlink_metadata(&source).map_err(|error| unusable(&source, &error))?;
        let copied = if kind.is_symlink() {
            std::fs::read_link(&source).and_then(|points| std::os::unix::fs::symlink(points, &target))
        } else if kind.is_file() {
            std::fs::copy(&source, &target).map(drop)
        } else {
            Ok(())
        };
        copied.map_err(|error| unusable(&source, &error))?;
    }
    Ok(())
}
