//! Steps in containers once more, by Docker: the suite runs them by Podman.
//!
//! Where no daemon of Docker's runs, one is started in a folder of its own, and ends with the stage.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Context, Outcome, install};
use crate::command::{self, Program, Running};

/// The network of a daemon's containers, which it makes where it is not there.
const BRIDGE: &str = "docker0";
/// So long a daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The tests in which containers run.
const TESTS: &str = "package(executor) and kind(test) and (test(containers) or test(services))";

/// Runs those tests, where a daemon can be run.
pub fn tests(context: &mut Context) -> Outcome {
    let Some(nextest) = context.tools.nextest.clone() else {
        return Outcome::Skipped("it takes cargo-nextest".to_owned());
    };
    let daemon = match Daemon::find(&context.root) {
        Ok(daemon) => daemon,
        Err(reason) => {
            let reason = format!("no daemon of Docker's can be run here ({reason})");
            context
                .tools
                .missing
                .push(format!("{reason}: steps in containers are tried by Podman alone"));
            return Outcome::Skipped(reason);
        }
    };
    let arguments = [
        "nextest",
        "run",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--retries",
        "1",
        "--color",
        "never",
        "-E",
        TESTS,
    ];
    let running = Program::new(&nextest.to_string_lossy(), &arguments, &context.root);
    let running = context.skips.tell_more(running, install::CONTAINERS);
    daemon
        .tell(running)
        .variable("THROUGHLINE_TEST_ENGINE", "docker")
        .run()
        .into()
}

/// A daemon; one that was started here is ended when this is dropped.
struct Daemon {
    own: Option<Own>,
    address: Option<String>,
}

/// A daemon that was started here.
struct Own {
    running: Running,
    folder: PathBuf,
    /// Whether the machine had the network before.
    has_bridge: bool,
}

impl Daemon {
    /// The daemon that runs already, or one of our own.
    fn find(root: &Path) -> Result<Self, String> {
        command::find("docker").ok_or("docker is not installed")?;
        let there = Self {
            own: None,
            address: None,
        };
        let daemon = match there.docker(&["version"], root).output() {
            Ok(_) => there,
            Err(_) => Self::start(root)?,
        };
        daemon.can_run(root)?;
        Ok(daemon)
    }

    fn start(root: &Path) -> Result<Self, String> {
        let usual = Path::new("/usr/sbin/dockerd");
        let program = command::find("dockerd").or_else(|| usual.is_file().then(|| usual.to_owned()));
        let program = program.ok_or("dockerd is not installed")?;
        if Program::new("id", &["-u"], root).output()?.trim() != "0" {
            return Err("only root may".to_owned());
        }
        let has_bridge = Path::new("/sys/class/net").join(BRIDGE).exists();
        // The path of a socket is short, so this is not below the build folder.
        let folder = std::env::temp_dir().join(format!("throughline-docker-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let address = format!("unix://{}", folder.join("socket").display());
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (data, exec, pid) = (path("data"), path("exec"), path("pid"));
        // No rule of the machine's is changed; published ports are passed on by a process.
        let arguments = [
            "--data-root",
            &data,
            "--exec-root",
            &exec,
            "--pidfile",
            &pid,
            "--host",
            &address,
            "--storage-driver",
            "vfs",
            "--iptables=false",
            "--ip6tables=false",
        ];
        let running = Program::new(&program.to_string_lossy(), &arguments, root).start(&folder.join("log"))?;
        let mut daemon = Self {
            own: Some(Own {
                running,
                folder,
                has_bridge,
            }),
            address: Some(address),
        };
        daemon.answers(root)?;
        Ok(daemon)
    }

    /// A program, told where the daemon is.
    fn tell(&self, program: Program) -> Program {
        match &self.address {
            Some(address) => program.variable("DOCKER_HOST", address),
            None => program,
        }
    }

    fn docker(&self, arguments: &[&str], root: &Path) -> Program {
        self.tell(Program::new("docker", arguments, root))
    }

    /// Waits until it answers.
    fn answers(&mut self, root: &Path) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let Err(complaint) = self.docker(&["version"], root).output() else {
                return Ok(());
            };
            if let Some(own) = &mut self.own
                && own.running.has_ended()
            {
                let said = std::fs::read_to_string(own.folder.join("log")).unwrap_or_default();
                return Err(said.lines().last().unwrap_or("it ended without a word").to_owned());
            }
            if Instant::now() > until {
                return Err(complaint);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether it runs a container at all, asked without a line of the product.
    fn can_run(&self, root: &Path) -> Result<(), String> {
        let busybox = command::find("busybox").ok_or("busybox is not installed")?;
        let folder = std::env::temp_dir().join(format!("throughline-docker-trial-{}", std::process::id()));
        let made = std::fs::create_dir_all(folder.join("root"))
            .and_then(|()| std::fs::copy(busybox, folder.join("root/busybox")));
        made.map_err(|error| format!("no folder to try it in: {error}"))?;
        let tried = self.tried(&folder, root);
        let _ = std::fs::remove_dir_all(&folder);
        tried
    }

    fn tried(&self, folder: &Path, root: &Path) -> Result<(), String> {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (inside, tar) = (path("root"), path("root.tar"));
        Program::new("tar", &["-C", &inside, "-cf", &tar, "."], root).output()?;
        let image = "localhost/throughline-test/trial:1";
        self.docker(&["import", &tar, image], root).output()?;
        let trial = ["run", "--rm", "--network=none", image, "/busybox", "true"];
        self.docker(&trial, root).output().map(drop)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(own) = &mut self.own else { return };
        own.running.end();
        // What it leaves: a mounted namespace, and a network. Either may be gone by itself.
        let namespace = own.folder.join("exec/netns/default");
        let _ = Program::new("umount", &[&namespace.to_string_lossy()], Path::new("/")).output();
        if !own.has_bridge {
            let _ = Program::new("ip", &["link", "delete", BRIDGE], Path::new("/")).output();
        }
        let _ = std::fs::remove_dir_all(&own.folder);
    }
}
