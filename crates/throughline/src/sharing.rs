//! Results that other machines use as well: what the settings say becomes a share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache::{Access, FolderShare, Share, Sharing};
use facts::Clock;

use crate::failure::Failure;
use crate::settings::SharedResults;
use crate::settings::value::{AccessChoice, ShareAddress};

/// The share that the settings name. `again_after` says when one that did not answer is asked again, and
/// `tell` hears what people should know.
pub(crate) fn sharing(
    settings: &SharedResults,
    variables: &BTreeMap<String, String>,
    clock: &Arc<dyn Clock>,
    again_after: Option<Duration>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Sharing, Failure> {
    let share: Arc<dyn Share> = match &settings.address {
        ShareAddress::Folder(folder) => {
            if settings.access == AccessChoice::ReadWrite {
                // From the beginning, so that it can be hidden from steps. What is wrong with it is told when it
                // is used.
                let _ = std::fs::create_dir_all(folder);
            }
            Arc::new(FolderShare::new(folder.clone()))
        }
        ShareAddress::S3(address) => s3(address, variables, clock)?,
    };
    Ok(Sharing {
        share,
        access: match settings.access {
            AccessChoice::ReadWrite => Access::ReadAndWrite,
            AccessChoice::Read => Access::Read,
        },
        again_after,
        tell,
    })
}

/// What steps must not see, so that none writes results past their domain of trust: the folder, or the named file
/// with the keys of a bucket.
pub(crate) fn hidden(settings: &SharedResults) -> Option<PathBuf> {
    match &settings.address {
        ShareAddress::Folder(folder) => Some(folder.clone()),
        #[cfg(feature = "s3")]
        ShareAddress::S3(address) => bucket::Location::parse(address).ok()?.credentials_file(),
        #[cfg(not(feature = "s3"))]
        ShareAddress::S3(_) => None,
    }
}

#[cfg(feature = "s3")]
fn s3(address: &str, variables: &BTreeMap<String, String>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Share>, Failure> {
    let variable = |name: &str| variables.get(name).filter(|value| !value.trim().is_empty()).cloned();
    let bucket = bucket::Location::parse(address)
        .and_then(|location| location.settle(&variable))
        .and_then(|settled| bucket::Bucket::open(settled, clock.clone(), bucket::Patience::default()));
    match bucket {
        Ok(bucket) => Ok(Arc::new(bucket)),
        Err(error) => {
            let failure = Failure::new(crate::Exit::Usage, error.to_string());
            Err(match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
    }
}

#[cfg(not(feature = "s3"))]
fn s3(address: &str, _: &BTreeMap<String, String>, _: &Arc<dyn Clock>) -> Result<Arc<dyn Share>, Failure> {
    Err(Failure::new(
        crate::Exit::Usage,
        format!("results cannot be shared through {address}: this program was built without S3"),
    )
    .hint("build it with `cargo build --release --features s3`, or share a folder"))
}

/// Sentences that wait until there is room for them on the screen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sentences {
    waiting: Arc<Mutex<Vec<String>>>,
}

impl Sentences {
    /// What takes them.
    pub fn hear(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let waiting = self.waiting.clone();
        Arc::new(move |sentence| {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(sentence.to_owned());
        })
    }

    /// Those that wait.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
