//! Commands that the shim itself runs: it reaps whatever ends below it, so nobody else can wait for them.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use process::{Channel, Exit, Group, Identity, Signal, Spec};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::container::engine::{PATIENCE, complaint};
use crate::shim::locked;

/// The most that is kept of what a command says, in bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The children whose end somebody waits for.
#[derive(Default)]
pub(crate) struct Children(Mutex<HashMap<u32, oneshot::Sender<Exit>>>);

impl Children {
    /// A wait for the end of this child. To be called before anything else is awaited after its start.
    pub(crate) fn expect(&self, child: Identity) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        locked(&self.0).insert(child.pid, sender);
        receiver
    }

    /// Tells whoever waits for it that a child has ended.
    pub(crate) fn ended(&self, pid: u32, exit: Exit) {
        if let Some(waiting) = locked(&self.0).remove(&pid) {
            let _ = waiting.send(exit);
        }
    }

    /// Runs a short command; the answer is its standard output, or what it complains of.
    pub(crate) async fn ask(&self, spec: Spec) -> Result<String, String> {
        self.wait_for(spec, Some(PATIENCE)).await
    }

    /// The same, with another patience, or none.
    pub(crate) async fn wait_for(&self, spec: Spec, patience: Option<Duration>) -> Result<String, String> {
        let spec = spec
            .stdout(Channel::Pipe)
            .stderr(Channel::Pipe)
            .group(Group::Own)
            .with_parent(Signal::KILL);
        let mut child = process::spawn(spec).map_err(|error| error.to_string())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let identity = child.leave_to_subreaper();
        let exit = self.expect(identity);
        let ended = async {
            let (out, err, exit) = tokio::join!(read(stdout), read(stderr), exit);
            match exit {
                Ok(exit) if exit.ending.is_success() => Ok(out.trim().to_owned()),
                Ok(exit) => Err(complaint(&err, &exit.ending.to_string())),
                Err(_) => Err("its end was not seen".to_owned()),
            }
        };
        let Some(patience) = patience else { return ended.await };
        match tokio::time::timeout(patience, ended).await {
            Ok(answer) => answer,
            Err(_) => {
                let _ = identity.signal(Signal::KILL);
                Err(format!("no answer within {} s", patience.as_secs()))
            }
        }
    }
}

/// Reads what a command says; the rest of what is too long is read too, so that it does not wait.
async fn read(pipe: Option<pipe::Receiver>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut pipe).take(LONGEST_ANSWER).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}
