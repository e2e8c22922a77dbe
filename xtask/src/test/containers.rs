//! Whether this machine can run containers at all: asked of Podman itself, without a line of the product,
//! so that a product which does not manage what can be done here is found out.

use std::path::Path;

use crate::command::{self, Program};

/// What makes Podman work on machines where it does not by itself.
const MANNERS: &[&[&str]] = &[
    &[],
    &["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"],
    &["--cgroups=disabled"],
    &[
        "--cgroups=disabled",
        "--ulimit=nofile=1024:1024",
        "--ulimit=nproc=1024:1024",
    ],
];

/// Runs a container of a file of this machine's.
///
/// # Errors
/// Why that is not possible: the first complaint.
pub fn can_run(build: &Path) -> Result<(), String> {
    let busybox = command::find("busybox").ok_or("busybox is not installed")?;
    command::find("podman").ok_or("podman is not installed")?;
    let root = build.join("container-trial");
    let made = std::fs::create_dir_all(&root).and_then(|()| std::fs::copy(busybox, root.join("busybox")));
    made.map_err(|error| format!("no folder to try it in: {error}"))?;
    let answer = tried(&root);
    let _ = std::fs::remove_dir_all(&root);
    answer
}

fn tried(root: &Path) -> Result<(), String> {
    let folder = root.to_string_lossy();
    let mut first = None;
    for runtime in [&[][..], &["--runtime=runc"], &["--runtime=crun"]] {
        for manner in MANNERS {
            let fixed = ["run", "--rm", "--network=none", "--log-driver=none"];
            let what = ["--rootfs", &*folder, "/busybox", "true"];
            let arguments = [runtime, &fixed[..], manner, &what[..]].concat();
            match Program::new("podman", &arguments, Path::new("/")).output() {
                Ok(_) => return Ok(()),
                Err(message) => {
                    let last = message.lines().last().unwrap_or_default().to_owned();
                    first.get_or_insert(last);
                }
            }
        }
    }
    Err(first.unwrap_or_default())
}
