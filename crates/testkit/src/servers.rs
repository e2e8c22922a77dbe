//! What the servers of tests have in common: who runs them, and their fresh data folders.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::places::folder;

/// Whom a server runs as where the test is root's, which servers refuse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    id: u32,
    group: u32,
}

/// The first of these users that there is, where the test is root's.
#[allow(clippy::expect_used)] // a test cannot go on
pub(crate) fn unprivileged(names: &[&str]) -> Option<User> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !is_root {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(User {
            id: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    };
    let found = names.iter().find_map(|name| find(name));
    Some(found.expect("a user without rights"))
}

/// The command, run by `user`.
pub(crate) fn run(command: &mut Command, user: Option<User>) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::mem::replace(command, Command::new("true"));
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
    command
}

#[allow(clippy::expect_used)] // a test cannot go on
pub(crate) fn own(path: &Path, user: Option<User>) {
    if let Some(user) = user {
        chown(path, Some(user.id), Some(user.group)).expect("another owner");
    }
}

/// Copies a folder, for `user`.
#[allow(clippy::expect_used)] // a test cannot go on
pub(crate) fn copy(from: &Path, to: &Path, user: Option<User>) {
    std::fs::create_dir(to).expect("a folder");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("permissions");
    for entry in std::fs::read_dir(from).expect("the template") {
        let entry = entry.expect("an entry of the template");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target, user);
        } else {
            std::fs::copy(&source, &target).expect("a copy");
            own(&target, user);
        }
    }
    own(to, user);
}

/// A fresh data folder, made once for each build folder: making one takes longer than most tests.
#[allow(clippy::expect_used)] // a test cannot go on
pub(crate) fn template(name: &str, user: Option<User>, make: impl FnOnce(&Path)) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let compiled = test.ancestors().find(|folder| folder.ends_with("deps"));
    let build = compiled.and_then(Path::parent).and_then(Path::parent);
    let tools = build.map_or_else(std::env::temp_dir, |build| build.join("tools"));
    std::fs::create_dir_all(&tools).expect("a folder for tools");
    let template = tools.join(name);
    // The kernel lets go of the lock with the process.
    let lock = std::fs::File::create(tools.join(format!("{name}.lock"))).expect("a lock");
    lock.lock().expect("the lock");
    if !template.is_dir() {
        let work = folder();
        std::fs::set_permissions(work.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        own(work.path(), user);
        let data = work.path().join("data");
        make(&data);
        let fresh = tools.join(format!("{name}.new"));
        let _ = std::fs::remove_dir_all(&fresh);
        copy(&data, &fresh, None);
        std::fs::rename(&fresh, &template).expect("the template");
    }
    template
}
