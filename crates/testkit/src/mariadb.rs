//! A MariaDB of a test's own: its data in a folder, its only address a socket there.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::needs::{Need, skip};
use crate::places::folder;
use crate::servers::{User, copy, own, run, template, unprivileged};

/// A running MariaDB, gone with the value, or with the process.
pub struct Mariadb {
    folder: TempDir,
    running: Option<Child>,
}

/// A session that is open until this is dropped.
pub struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Starts MariaDB, and ends it at once when the test's end of the pipe is gone.
const RUN: &str = r#"cd / && "$@" & server=$!; read -r _; kill -KILL $server; wait $server"#;

/// What makes it small and quick. Nothing of a test has to outlive the machine.
const SETTINGS: [&str; 8] = [
    "--skip-networking",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=32M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--log-warnings=0",
];

#[allow(clippy::expect_used)] // a test cannot go on
impl Mariadb {
    /// Starts one, without databases. Says so where MariaDB is not installed, and the test leaves itself out.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Option<Self> {
        let (server, installer) = (program("mariadbd"), program("mariadb-install-db"));
        let (Some(server), Some(installer)) = (server, installer) else {
            skip(Need::Mariadb, "MariaDB is not installed");
            return None;
        };
        let user = unprivileged(&["mysql", "nobody"]);
        let template = template("mariadb-16", user, |data| make(&installer, data, user));
        let folder = folder();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        own(folder.path(), user);
        let data = folder.path().join("data");
        copy(&template, &data, user);
        let socket = folder.path().join("socket");
        let mut command = run(Command::new("sh").args(["-c", RUN, "sh"]), user);
        command.arg(&server).arg("--no-defaults").args(SETTINGS);
        command.arg(format!("--datadir={}", data.display()));
        // One that starts removes what it finds of others in the folder for temporary tables.
        command.arg(format!("--tmpdir={}", data.display()));
        command.arg(format!("--socket={}", socket.display()));
        command.arg(format!("--pid-file={}", data.join("pid").display()));
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn();
        let mariadb = Self {
            running: Some(started.expect("a shell")),
            folder,
        };
        for _ in 0..6_000 {
            if UnixStream::connect(&socket).is_ok() {
                return Some(mariadb);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let log = std::fs::read_to_string(mariadb.folder.path().join("log")).unwrap_or_default();
        panic!("MariaDB does not answer:\n{log}");
    }

    /// The address of one of its databases, as the program under test is told it.
    pub fn address(&self, database: &str) -> String {
        let socket = self.folder.path().join("socket");
        format!("mysql://root@localhost/{database}?socket={}", socket.display())
    }

    fn client(&self, database: &str) -> Command {
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--user=root",
                "--batch",
                "--skip-column-names",
                "--unbuffered",
            ])
            .arg(format!("--socket={}", self.folder.path().join("socket").display()))
            .args((!database.is_empty()).then_some(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Opens a session in which `sql` has been done, and is kept as it is then.
    ///
    /// # Panics
    /// When MariaDB refuses it.
    pub fn hold(&self, database: &str, sql: &str) -> Held {
        let mut child = self.client(database).spawn().expect("the client");
        let stdin = child.stdin.as_mut().expect("its input");
        writeln!(stdin, "{sql};\nSELECT 'held';").expect("the client reads");
        let mut said = String::new();
        let mut lines = std::io::BufReader::new(child.stdout.take().expect("its output"));
        while said.trim() != "held" {
            said.clear();
            let read = std::io::BufRead::read_line(&mut lines, &mut said).expect("the client says");
            assert_ne!(read, 0, "{sql}");
        }
        Held(child)
    }

    /// What `sql` gives, a row a line; an error is what MariaDB says of it.
    ///
    /// # Errors
    /// When MariaDB refuses it.
    pub fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut child = self.client(database).spawn().map_err(|error| error.to_string())?;
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

impl Drop for Mariadb {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.stdin.take());
            let _ = running.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("what MariaDB said:\n{log}");
        }
    }
}

fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// Makes a fresh data folder.
#[allow(clippy::expect_used)] // a test cannot go on
fn make(installer: &Path, data: &Path, user: Option<User>) {
    std::fs::create_dir(data).expect("a folder");
    own(data, user);
    let mut command = run(&mut Command::new(installer), user);
    command
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
        ])
        .arg(format!("--datadir={}", data.display()))
        .current_dir("/");
    let made = command.output().expect("the installer");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
