//! The mount namespace from which isolated processes start: made once, by ordinary code.

use std::ffi::CStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_bind, mount_bind_recursive, mount_change,
    move_mount, open_tree,
};

use super::{Unavailable, cannot, system, text};

/// What lies on the cover: a file and a folder that hide others, and where a process' own files are.
const BLANK: &str = "blank";
const EMPTY: &str = "empty";
pub(super) const PRIVATE: &str = "secrets";

/// A mount namespace of this process' own, in which others' later mounts still appear; `true` when the
/// processes that start from it are root's.
pub(super) fn own_mounts() -> Result<bool, Unavailable> {
    let user = rustix::process::geteuid();
    let group = rustix::process::getegid();
    let direct = match system::unshare(libc::CLONE_NEWNS) {
        Ok(()) => true,
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => false,
        Err(error) => return Err(cannot("make a mount namespace")(error)),
    };
    if !direct {
        system::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).map_err(cannot("make a user namespace"))?;
        let write = |file: &str, text: String| {
            let path = format!("/proc/self/{file}");
            std::fs::write(&path, text).map_err(cannot(format!("write {path}")))
        };
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("{0} {0} 1", user.as_raw()))?;
        write("gid_map", format!("{0} {0} 1", group.as_raw()))?;
    }
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .map_err(|error| cannot("keep mounts to itself")(error.into()))?;
    Ok(direct && user.is_root())
}

/// An empty file system in memory that is attached nowhere yet.
pub(super) fn memory(mode: &CStr) -> io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "mode", mode)?;
    // Where the kernel can keep it out of the swap space, it does.
    let _ = fsconfig_set_flag(&context, "noswap");
    fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Covers the folder with an empty one; the answer is the cover, for writing on it.
pub(super) fn cover(folder: &Path) -> Result<OwnedFd, Unavailable> {
    let lay = || -> io::Result<OwnedFd> {
        let cover = memory(c"0755")?;
        for name in [EMPTY, PRIVATE] {
            rustix::fs::mkdirat(&cover, name, Mode::from_raw_mode(0o700))?;
        }
        drop(rustix::fs::openat(
            &cover,
            BLANK,
            rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC,
            Mode::empty(),
        )?);
        move_mount(&cover, "", CWD, folder, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        // The same file system by another mount, which stays writable when the first is closed.
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        Ok(open_tree(CWD, folder, flags)?)
    };
    lay().map_err(cannot(format!("cover {}", folder.display())))
}

/// Makes the cover read-only for whoever is below it.
pub(super) fn close(folder: &Path) -> Result<(), Unavailable> {
    let path = text(folder.as_os_str()).map_err(cannot("name the folder"))?;
    system::add_attributes(libc::AT_FDCWD, &path, system::READ_ONLY, false)
        .map_err(cannot(format!("close the cover of {}", folder.display())))
}

/// Hides a file or a folder elsewhere; what is not there needs no hiding.
pub(super) fn hide(folder: &Path, path: &Path) -> Result<(), Unavailable> {
    let wrong = || cannot(format!("hide {}", path.display()));
    let Ok(path) = path.canonicalize() else { return Ok(()) };
    if path.starts_with(folder) || folder.starts_with(&path) {
        return Ok(());
    }
    let with = if path.is_dir() { EMPTY } else { BLANK };
    mount_bind(folder.join(with), &path).map_err(|error| wrong()(error.into()))?;
    let path = text(path.as_os_str()).map_err(wrong())?;
    system::add_attributes(libc::AT_FDCWD, &path, system::READ_ONLY, false).map_err(wrong())
}

/// Makes a folder and those above it on the cover.
pub(super) fn make_folders(cover: &OwnedFd, folder: &Path) -> io::Result<()> {
    let mut path = PathBuf::new();
    for part in folder.components() {
        let std::path::Component::Normal(part) = part else {
            let what = format!("`{}` is no plain path below the hidden folder", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        };
        path.push(part);
        match rustix::fs::mkdirat(cover, &path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether something is mounted exactly here.
pub(super) fn is_mount(path: &CStr) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let path = Path::new(std::ffi::OsStr::new(path.to_str().unwrap_or_default()));
    let above = path.parent().and_then(device);
    device(path).is_some_and(|found| Some(found) != above)
}

/// Takes from root's processes the files by which they would reach past their paths: raw devices, the
/// kernel's switches in `/sys`, and the sockets by which the system starts processes for root.
pub(super) fn tame_root() -> Result<(), Unavailable> {
    /// Devices that programs use and that hold nothing.
    const DEVICES: [&CStr; 9] = [
        c"/dev/null",
        c"/dev/zero",
        c"/dev/full",
        c"/dev/random",
        c"/dev/urandom",
        c"/dev/tty",
        c"/dev/ptmx",
        c"/dev/fuse",
        c"/dev/kvm",
    ];
    let exists = |path: &CStr| path.to_str().is_ok_and(|path| Path::new(path).exists());
    for device in DEVICES.into_iter().chain([c"/dev/net/tun"]).filter(|path| exists(path)) {
        system::bind_to_itself(device).map_err(cannot(format!("keep {}", device.to_string_lossy())))?;
    }
    let mut no_devices = system::add_attributes(libc::AT_FDCWD, c"/dev", system::NO_DEVICES, false);
    if no_devices
        .as_ref()
        .is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
    {
        no_devices = mount_bind_recursive("/dev", "/dev")
            .map_err(io::Error::from)
            .and_then(|()| system::add_attributes(libc::AT_FDCWD, c"/dev", system::NO_DEVICES, false));
    }
    no_devices.map_err(cannot("close the devices"))?;
    if exists(c"/sys/kernel") {
        system::add_attributes(libc::AT_FDCWD, c"/sys", system::READ_ONLY, true)
            .map_err(cannot("make /sys read-only"))?;
    }
    for socket in ["/run/systemd/private", "/run/dbus/system_bus_socket"] {
        if Path::new(socket).exists() {
            mount_bind("/dev/null", socket).map_err(|error| cannot(format!("hide {socket}"))(error.into()))?;
        }
    }
    Ok(())
}

/// In a user namespace the files of root seem to be nobody's, and OpenSSH refuses those that its
/// configuration includes. A copy that is the user's own is taken instead.
pub(super) fn own_configuration_of_ssh(folder: &Path) -> Result<(), Unavailable> {
    const INCLUDED: &str = "/etc/ssh/ssh_config.d";
    let Ok(entries) = std::fs::read_dir(INCLUDED) else {
        return Ok(());
    };
    let wrong = || cannot(format!("copy {INCLUDED}"));
    let copy = folder.join("ssh");
    DirBuilder::new().mode(0o755).create(&copy).map_err(wrong())?;
    for entry in entries.flatten() {
        let Ok(bytes) = std::fs::read(entry.path()) else {
            continue;
        };
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(copy.join(entry.file_name()))
            .map_err(wrong())?;
        file.write_all(&bytes).map_err(wrong())?;
    }
    mount_bind(&copy, INCLUDED).map_err(|error| wrong()(error.into()))
}
