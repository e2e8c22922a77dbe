//! Folders and ports that no other test uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use tempfile::TempDir;

/// An empty folder that goes when the value is dropped. Its path is short enough for a unix socket.
///
/// # Panics
/// When no folder can be made.
#[allow(clippy::expect_used)] // a test cannot go on
pub fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("tl-")
        .tempdir()
        .expect("a temporary folder")
}

/// A loopback address on which nobody listened a moment ago. Where the program under test can take
/// port 0, that is better.
///
/// # Panics
/// When there is no free port.
#[allow(clippy::expect_used)] // a test cannot go on
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port's address")
}

/// A program of others that tests run: from the search path, or where `cargo xtask test` puts programs of npm, in the
/// build folder.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let test = std::env::current_exe().unwrap_or_default();
    let installed = test
        .ancestors()
        .map(|folder| folder.join("tools").join(name).join("node_modules/.bin").join(name));
    on_path.chain(installed).find(|place| place.is_file())
}
