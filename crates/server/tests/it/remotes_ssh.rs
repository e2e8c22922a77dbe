//! Repositories followed over ssh, from a real sshd.

use std::path::{Path, PathBuf};

use process::{Channel, Child, Spec};
use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, command, steps};

const PROGRAM: &str = "/usr/sbin/sshd";

/// An sshd of this test's own, for the user of the test.
struct Sshd {
    folder: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Sshd {
    /// Starts one; says so where there is none to start.
    fn start(house: &House) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            testkit::skip(testkit::Need::Sshd, "sshd is not installed");
            return None;
        }
        // Where root starts it, it wants this folder; an ordinary user's does not.
        let _ = std::fs::create_dir("/run/sshd");
        let mut sshd = Self {
            folder: testkit::folder(),
            port: testkit::free_port().port(),
            child: None,
        };
        sshd.key("user");
        std::fs::copy(sshd.path("user.pub"), sshd.path("authorized")).unwrap();
        sshd.serve(house);
        Some(sshd)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a pair of keys.
    fn key(&self, name: &str) {
        let path = self.path(name);
        let _ = std::fs::remove_file(&path);
        let arguments = [
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            name,
            "-f",
            path.to_str().unwrap(),
        ];
        let made = command(self.folder.path(), "ssh-keygen", &arguments);
        assert!(made.is_success(), "{}", made.complaint());
    }

    /// Serves with a new key of the host.
    fn serve(&mut self, house: &House) {
        self.child = None;
        self.key("host");
        let configuration = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n",
            self.port,
            self.path("host").display(),
            self.path("authorized").display()
        );
        std::fs::write(self.path("configuration"), configuration).unwrap();
        let spec = Spec::new(PROGRAM)
            .args(["-D", "-e", "-f", self.path("configuration").to_str().unwrap()])
            .pass(["PATH"])
            .stdout(Channel::Null)
            .stderr(Channel::Null);
        let _inside = house.runtime.enter();
        self.child = Some(process::spawn(spec).unwrap());
        house.until("sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    fn url(&self, path: &Path) -> String {
        let user = command(self.folder.path(), "id", &["-un"]).text().trim().to_owned();
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, path.display())
    }

    fn private_key(&self) -> String {
        std::fs::read_to_string(self.path("user")).unwrap()
    }
}

fn trouble(house: &House) -> Value {
    house.get("/api/v1/repositories").is(200)["repositories"][0]["trouble"].clone()
}

#[test]
fn a_repository_is_followed_over_ssh_by_a_stored_key_and_another_host_is_not_trusted() {
    let house = House::with(ENVIRONMENTS, json!({ "poll_interval_ms": 200 }));
    let Some(mut sshd) = Sshd::start(&house) else { return };
    let elsewhere = Repository::new();
    elsewhere.define(&steps("  a: { run: 'true' }\n"));
    let first = elsewhere.commit("first");
    house.set_secret(
        "git/forge",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nnone\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    let body = json!({ "component": "team/far", "url": sshd.url(elsewhere.path()), "credentials": "git/forge" });
    house.post("/api/v1/repositories", &body).is(201);
    let told = house.until("the trouble", || trouble(&house).as_str().map(str::to_owned));
    assert!(told.contains("cannot be fetched"), "{told}");

    house.set_secret("git/forge", &sshd.private_key());
    assert_eq!(house.built(&first)["run"]["result"], "succeeded");
    house.until("the trouble's end", || trouble(&house).is_null().then_some(()));
    let second = elsewhere.commit("second");
    house.built(&second);

    // Another key at the same address may be somebody else.
    sshd.serve(&house);
    let third = elsewhere.commit("third");
    let told = house.until("the word on the host's key", || {
        let told = trouble(&house).as_str()?.to_owned();
        told.contains("Host key verification failed").then_some(told)
    });
    assert!(
        !told.contains("@@@") && told.contains("\nhint: the remote's host key is not the one known"),
        "{told}"
    );
    assert_eq!(house.runs(&format!("commit={third}")).len(), 0);
    let key = sshd.private_key();
    for path in house.files() {
        let text = String::from_utf8_lossy(&crate::house::bytes_of(&path)).into_owned();
        assert!(
            !text.contains(key.lines().nth(2).unwrap()),
            "{} holds the key",
            path.display()
        );
    }
    house.is_whole();
}
