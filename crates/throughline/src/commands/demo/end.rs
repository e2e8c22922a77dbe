//! The end of the demo: whatever happened, nothing that it started lives on.
//!
//! The demo adopts what loses its parent below it, so that it finds every process that was started on
//! its behalf, by whomever.

use std::time::Duration;

use process::tree::{descendants, ended_all, kill_until_none, signal_all};
use process::{Child, Identity, Signal, subreaper};

use crate::client::{Address, Client};
use crate::wire::{Done, Down};

/// How long the server may take to stop everything.
const DOWN: Duration = Duration::from_secs(30);
/// How long what is left after the server may take to end by itself.
const SETTLE: Duration = Duration::from_millis(1_500);
/// How long what was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);

/// Makes this process the one that finds everything it started.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn adopt() -> std::io::Result<()> {
    subreaper::become_subreaper()
}

/// Stops the server with all that it runs, and ends what is left. The answer is whether anything is
/// left even so.
pub(super) async fn end(server: Option<Child>, client: Option<Client>, load: Option<Child>) -> bool {
    if let Some(mut load) = load {
        let _ = load.kill_group(Signal::TERM, GRACE).await;
    }
    if let Some(mut server) = server {
        if let Some(client) = client
            && matches!(server.try_wait(), Ok(None))
        {
            let down = tokio::task::spawn_blocking(move || {
                client.post::<Done>(&Address::of(&["down"]), &Down { everything: true })
            });
            if matches!(tokio::time::timeout(DOWN, down).await, Ok(Ok(Ok(_)))) {
                let _ = tokio::time::timeout(DOWN, server.wait()).await;
            }
        }
        let _ = server.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, server.wait()).await;
        // What it leaves is adopted by this process; nothing is killed with it here.
        server.leave_to_subreaper();
    }
    nothing_left().await
}

/// Waits for what still lives below this process, asks it to end, and kills what does not.
async fn nothing_left() -> bool {
    let Ok(me) = Identity::of_this_process() else {
        return false;
    };
    let _ = tokio::time::timeout(SETTLE, ended_all(&descendants(me))).await;
    let left = descendants(me);
    signal_all(&left, Signal::TERM);
    let _ = tokio::time::timeout(GRACE, ended_all(&left)).await;
    let gone = kill_until_none(descendants(me), || descendants(me)).await;
    // What has ended is reaped, so that not even its number is left.
    while matches!(subreaper::reap(None), Ok(Some(_))) {}
    gone
}

/// Kills everything below this process at once.
pub(super) async fn at_once() {
    if let Ok(me) = Identity::of_this_process() {
        kill_until_none(descendants(me), || descendants(me)).await;
    }
}
