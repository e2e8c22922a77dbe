//! The image that tests run containers of: made here from a program of this machine, nothing is fetched.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::Spec;

use crate::{ContainerChoice, Executor, ExecutorError, Image, Pull};

/// Its name: busybox and nothing else, with a user `somebody`.
pub const IMAGE: &str = "localhost/throughline-test/busybox:1";

/// Names the engine that the tests are to use; without it, it is Podman.
const ASKED: &str = "THROUGHLINE_TEST_ENGINE";

/// The engine that the tests use: how the executor is told, and its program.
pub fn engine() -> (ContainerChoice, &'static str) {
    match std::env::var(ASKED) {
        Ok(name) if name == "docker" => (ContainerChoice::Docker, "docker"),
        _ => (ContainerChoice::Podman, "podman"),
    }
}

/// Where tests remember what one of them found out about the engine, which takes a while; a file beside it is its lock.
pub fn remembered() -> PathBuf {
    std::env::temp_dir().join(format!("throughline-test-{}.json", engine().1))
}

/// Runs a program to its end; what it writes to its standard output.
///
/// # Errors
/// What it complains of.
pub async fn command(line: &[&str]) -> Result<String, String> {
    let (program, arguments) = line.split_first().ok_or("no program is named")?;
    let spec = Spec::new(program)
        .args(arguments)
        .pass(["PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST"]);
    let output = process::run(spec, b"", Duration::from_secs(120), 1 << 20).await;
    let output = output.map_err(|error| error.to_string())?;
    if output.is_success() {
        Ok(output.text().into_owned())
    } else {
        Err(format!("{line:?}: {}", output.complaint()))
    }
}

/// The image, made where it is not there yet; `folder` is an empty one.
///
/// # Errors
/// Why no container of it can be run here.
pub async fn image(executor: &dyn Executor, folder: &Path) -> Result<Image, String> {
    // An image that is nowhere: with an engine, that is what is wrong.
    match executor.image("localhost/throughline-test/none", Pull::Never).await {
        Err(ExecutorError::Image(why)) if why.contains("pull: never") => {}
        Err(why) => return Err(why.to_string()),
        Ok(_) => return Err("there is an image that nobody made".to_owned()),
    }
    let (_, engine) = engine();
    if command(&[engine, "image", "inspect", IMAGE]).await.is_err() {
        import(engine, folder).await?;
    }
    let image = executor.image(IMAGE, Pull::Never).await;
    image.map_err(|error| error.to_string())
}

async fn import(engine: &str, folder: &Path) -> Result<(), String> {
    let root = folder.join("root");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).is_file());
    let busybox = busybox.ok_or("busybox is not installed (hint: apt-get install busybox-static)")?;
    let applets = command(&[busybox, "--list"]).await?;
    let fill = || -> std::io::Result<()> {
        for name in ["bin", "tmp", "etc"] {
            std::fs::create_dir_all(root.join(name))?;
        }
        std::fs::copy(busybox, root.join("bin/busybox"))?;
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", root.join("bin").join(applet))?;
        }
        let users = "root:x:0:0::/:/bin/sh\nsomebody:x:1234:1234::/tmp:/bin/sh\n";
        std::fs::write(root.join("etc/passwd"), users)?;
        std::fs::write(root.join("etc/group"), "root:x:0:\nsomebody:x:1234:\n")
    };
    fill().map_err(|error| format!("the root of the image cannot be made: {error}"))?;
    let tar = folder.join("root.tar").display().to_string();
    command(&["tar", "-C", &root.display().to_string(), "-cf", &tar, "."]).await?;
    command(&[engine, "import", &tar, IMAGE]).await.map(drop)
}
