//! `throughline run --watch`: again whenever a file changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache::{SeenFile, Tree};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::targets::Target;
use crate::cli::LocalRunArgs;
use crate::commands::Around;
use crate::commands::signals::Signals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::LocalSettings;
use crate::show::paint::{Tone, paint};

/// An editor writes a file in several goes; they count as one.
const QUIET: Duration = Duration::from_millis(120);

/// Runs, waits until a file that git does not ignore changes, and runs again, until Ctrl-C.
pub(super) async fn watch(
    target: &Target,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let folder = target.file.parent().unwrap_or(Path::new("/")).to_owned();
    let mut eyes = Eyes::open(folder)?;
    // From the beginning, so that no Ctrl-C is missed between two waits.
    let mut signals = Signals::listen()?;
    loop {
        match super::once(target, Vec::new(), args, settings, around, printer).await {
            Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
            Err(failure) => printer.failure(&failure),
            Ok(_) => {}
        }
        // What the steps wrote themselves is no reason to run again.
        let mut before = eyes.look()?;
        printer.say(&paint(Tone::Quiet, "waiting for a file to change; Ctrl-C ends"));
        let changed = loop {
            tokio::select! {
                heard = eyes.heard.recv() => {
                    if heard.is_none() {
                        return Err(Failure::new(Exit::Failed, "files cannot be watched any more"));
                    }
                }
                () = signals.any() => return Ok(()),
            }
            while tokio::time::timeout(QUIET, eyes.heard.recv())
                .await
                .is_ok_and(|heard| heard.is_some())
            {}
            let now = eyes.look()?;
            if let Some(path) = different(&before, &now) {
                break path;
            }
            before = now;
        };
        printer.say("");
        printer.say(&format!("{} changed", paint(Tone::Strong, &changed)));
    }
}

/// What sees that files change: the folders that hold files which git does not ignore are watched.
struct Eyes {
    folder: PathBuf,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    heard: mpsc::UnboundedReceiver<()>,
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("files cannot be watched: {error}"))
}

impl Eyes {
    fn open(folder: PathBuf) -> Result<Self, Failure> {
        let (tell, heard) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |_| {
            // Nobody listens any more when the command ends.
            let _ = tell.send(());
        });
        Ok(Self {
            watcher: watcher.map_err(wrong)?,
            watched: BTreeSet::new(),
            heard,
            folder,
        })
    }

    /// The files as they are now, with every folder of theirs watched from before they are looked at.
    fn look(&mut self) -> Result<Vec<SeenFile>, Failure> {
        loop {
            let tree = Tree::look(&self.folder).map_err(wrong)?;
            let mut fresh = false;
            for folder in tree.folders() {
                let folder = self.folder.join(folder);
                if self.watched.insert(folder.clone()) {
                    fresh = true;
                    // A folder that has just gone is seen by the one above it.
                    let _ = self.watcher.watch(&folder, RecursiveMode::NonRecursive);
                }
            }
            if !fresh {
                return Ok(tree.into_files());
            }
        }
    }
}

/// The first path that is not as it was.
fn different(before: &[SeenFile], now: &[SeenFile]) -> Option<String> {
    let (before_set, now_set): (BTreeSet<_>, BTreeSet<_>) = (
        before.iter().map(|file| (&file.path, file.stamp)).collect(),
        now.iter().map(|file| (&file.path, file.stamp)).collect(),
    );
    now_set
        .symmetric_difference(&before_set)
        .next()
        .map(|(path, _)| (*path).clone())
}
