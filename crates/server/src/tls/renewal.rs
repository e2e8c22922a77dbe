//! Takes a renewed certificate when its file changes. The kernel says when; nothing is asked at an
//! interval.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::inotify;

use super::Certificates;
use crate::settings::TlsFiles;

/// Reads the certificate again whenever something changes where it lies. Ends only by being dropped.
pub(crate) async fn renew(certificates: Arc<Certificates>) {
    if let Err(error) = watch(&certificates).await {
        tracing::error!(%error, "the files of the certificate cannot be watched: restart the server when it is renewed");
    }
}

async fn watch(certificates: &Certificates) -> io::Result<()> {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let what = inotify::WatchFlags::CREATE
        | inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::ATTRIB
        | inotify::WatchFlags::ONLYDIR;
    let watch = process::readable(watch)?;
    loop {
        // Where links lead may have changed too; watching a folder again is watching it once.
        for folder in folders(certificates.files()) {
            if let Err(error) = inotify::add_watch(watch.get_ref(), &folder, what) {
                tracing::warn!(folder = %folder.display(), %error, "the folder of the certificate cannot be watched");
            }
        }
        match certificates.read_again() {
            Ok(true) => tracing::info!("the certificate was renewed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a renewed certificate is not used; the earlier one stays"),
        }
        let mut ready = watch.readable().await?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(watch.get_ref(), &mut buffer);
        loop {
            match events.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => break,
                Err(error) => return Err(error.into()),
            }
        }
        ready.clear_ready();
    }
}

/// Where the files lie: where they are named, and where links lead to.
fn folders(files: &TlsFiles) -> BTreeSet<PathBuf> {
    let of = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    };
    [&files.certificate, &files.key]
        .into_iter()
        .flat_map(|path| {
            let behind = path.canonicalize().ok().map(|path| of(&path));
            std::iter::once(of(path)).chain(behind)
        })
        .collect()
}
