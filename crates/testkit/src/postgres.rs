//! A PostgreSQL of a test's own: its data in a folder, its only address a socket there.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::needs::{Need, skip};
use crate::places::folder;
use crate::servers::{User, copy, own, run, template, unprivileged};

/// A running PostgreSQL, gone with the value, or with the process.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<User>,
    settings: Vec<String>,
    running: Option<Child>,
    port: u16,
}

/// A session that is open until this is dropped.
pub struct Hold(Child);

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Starts PostgreSQL, and stops it at once when the test's end of the pipe is gone.
const RUN: &str = r#"cd / && "$@" & server=$!; read -r _; kill -QUIT $server; wait $server"#;

/// The name of the one database.
const DATABASE: &str = "template1";

/// What makes a data folder small, so that a copy of it is made quickly: the other databases go.
const SHRINK: &str = "DROP DATABASE postgres
UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'
DROP DATABASE template0
";

#[allow(clippy::expect_used)] // a test cannot go on
impl Postgres {
    /// Starts one, empty. Says so where PostgreSQL is not installed, and the test leaves itself out.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with these further settings, each as `name=value`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            skip(Need::Postgres, "PostgreSQL 15 or later is not installed");
            return None;
        };
        let user = unprivileged(&["postgres", "nobody"]);
        let version = programs.parent().and_then(Path::file_name).unwrap_or_default();
        let name = format!("postgresql-{}", version.to_string_lossy());
        let template = template(&name, user, |data| make(&programs, data, user));
        let folder = folder();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        own(folder.path(), user);
        let data = folder.path().join("data");
        copy(&template, &data, user);
        let mut postgres = Self {
            folder,
            programs,
            user,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            running: None,
            port: 5432,
        };
        postgres.go();
        Some(postgres)
    }

    /// Its address, as the program under test is told it.
    pub fn address(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://postgres@/{DATABASE}?host={folder}&port={}", self.port)
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it where it was stopped, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn go(&mut self) {
        let data = self.folder.path().join("data");
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        let mut command = run(Command::new("sh").args(["-c", RUN, "sh"]), self.user);
        command.arg(self.programs.join("postgres")).arg("-D").arg(&data);
        let always = [
            sockets.as_str(),
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "autovacuum=off",
            "log_min_messages=fatal",
        ];
        command.args(["-p", &self.port.to_string()]);
        if self.port == 5432 {
            command.args(["-c", "listen_addresses="]);
        }
        for setting in always.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn();
        self.running = Some(started.expect("a shell"));
        let status = data.join("postmaster.pid");
        for _ in 0..6_000 {
            if std::fs::read_to_string(&status).is_ok_and(|status| status.contains("ready")) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("PostgreSQL does not answer:\n{log}");
    }

    /// Stops it at once, as its machine's end would; what it has committed stays.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.stdin.take());
            running.wait().expect("its end");
            let _ = std::fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        }
    }

    /// Starts it again, reachable at the port of this machine too, encrypted with this certificate and key.
    ///
    /// # Panics
    /// When it does not start.
    pub fn encrypt(&mut self, port: std::net::SocketAddr, certificate: &str, key: &str) {
        self.stop();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.folder.path().join("data").join(name);
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
            own(&path, self.user);
        }
        self.port = port.port();
        self.settings
            .extend(["ssl=on", "listen_addresses=localhost"].map(str::to_owned));
        self.go();
    }

    /// Opens a session in which `sql` has been done, and is kept as it is then.
    ///
    /// # Panics
    /// When PostgreSQL refuses it.
    pub fn hold(&self, sql: &str) -> Hold {
        let mut child = self.psql().spawn().expect("psql");
        let stdin = child.stdin.as_mut().expect("its input");
        writeln!(stdin, "{sql};\n\\echo held").expect("psql reads");
        let mut said = String::new();
        let mut lines = std::io::BufReader::new(child.stdout.take().expect("its output"));
        while said.trim() != "held" {
            said.clear();
            assert_ne!(
                std::io::BufRead::read_line(&mut lines, &mut said).expect("psql says"),
                0,
                "{sql}"
            );
        }
        Hold(child)
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", DATABASE, "-h"])
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What `sql` gives, a row a line; an error is what PostgreSQL says of it.
    ///
    /// # Errors
    /// When PostgreSQL refuses it.
    pub fn ask(&self, sql: &str) -> Result<String, String> {
        let mut child = self.psql().spawn().map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(sql.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the newest PostgreSQL is, if there is one of version 15 or later.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, programs)| *version >= 15 && programs.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

/// Makes a fresh data folder.
#[allow(clippy::expect_used)] // a test cannot go on
fn make(programs: &Path, data: &Path, user: Option<User>) {
    let mut command = run(&mut Command::new(programs.join("initdb")), user);
    command
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
            "--wal-segsize=1",
        ])
        .arg("-D")
        .arg(data)
        .current_dir("/");
    let made = command.output().expect("initdb");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut command = run(&mut Command::new(programs.join("postgres")), user);
    command
        .arg("--single")
        .arg("-D")
        .arg(data)
        .arg(DATABASE)
        .current_dir("/");
    let mut single = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("PostgreSQL");
    if let Some(mut stdin) = single.stdin.take() {
        stdin.write_all(SHRINK.as_bytes()).expect("PostgreSQL reads");
    }
    assert!(single.wait().expect("its end").success());
}
