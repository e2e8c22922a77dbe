//! Servers with TLS of their own, and what is told when one cannot be trusted.

use std::path::PathBuf;

use process::{Channel, Child, Signal, Spec};
use testkit::{Authority, Certified};
use throughline::Exit;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Runtime;

use crate::program::PROGRAM;
use crate::support::Home;

/// The program, serving with a certificate.
struct Serving {
    runtime: Runtime,
    server: Option<Child>,
    home: Home,
    token: String,
    ca: PathBuf,
    port: u16,
}

impl Serving {
    fn with(certified: &Certified, authority: &Authority) -> Self {
        let home = Home::new();
        certified.write(&home.current);
        home.file("ca.crt", authority.pem());
        // The settings file, the variable and the flag are one setting.
        home.file("serve.toml", "tls-certificate = \"fullchain.pem\"\n");
        Self::started(home.with("THROUGHLINE_TLS_KEY", "privkey.pem"))
    }

    fn without() -> Self {
        let home = Home::new();
        home.file("serve.toml", "");
        Self::started(home)
    }

    fn started(mut home: Home) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let arguments = [
            "serve",
            "--data",
            "data",
            "--settings",
            "serve.toml",
            "--address",
            "127.0.0.1:0",
        ];
        let spec = Spec::new(PROGRAM)
            .args(arguments)
            .folder(&home.current)
            .variables(&home.variables)
            .stdout(Channel::Pipe)
            .stderr(Channel::Null);
        let (server, token) = runtime.block_on(async {
            let mut server = process::spawn(spec).unwrap();
            let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
            let token = lines.next_line().await.unwrap().unwrap();
            (server, token)
        });
        let told = std::fs::read_to_string(home.current.join("data/server.json")).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let url = told["url"].as_str().unwrap();
        let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
        home.hide(&format!(":{port}"), ":PORT");
        home.variables.insert("THROUGHLINE_TOKEN".to_owned(), token.clone());
        Self {
            runtime,
            server: Some(server),
            ca: home.current.join("ca.crt"),
            home,
            token,
            port,
        }
    }

    /// What `whoami` says of the server at `host`.
    fn whoami(&self, host: &str, more: &[&str]) -> (Exit, String) {
        let url = format!("{host}:{}", self.port);
        let called = self.home.call(&[&["whoami", "--server", &url], more].concat());
        (called.exit, called.err)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.signal(Signal::TERM);
            let _ = self.runtime.block_on(server.wait());
        }
    }
}

fn refused(message: &str) -> (Exit, String) {
    (Exit::NotReachable, message.to_owned())
}

#[test]
fn a_server_with_a_certificate_of_ones_own_authority_is_used_with_that_authoritys_certificate() {
    let authority = Authority::new();
    let mut serving = Serving::with(&authority.certify(&["localhost", "127.0.0.1"]), &authority);
    let ca = serving.ca.display().to_string();
    serving.home.input = format!("{}\n", serving.token);
    let url = format!("https://localhost:{}", serving.port);
    serving.home.variables.remove("THROUGHLINE_TOKEN");
    let login = serving.home.call(&["login", &url, "--ca-file", &ca]);
    assert_eq!(login.exit, Exit::Done, "{}", login.shown());
    assert!(login.out.contains("https://localhost:PORT/login/"), "{}", login.shown());
    let home = std::mem::replace(&mut serving.home, Home::new()).with("THROUGHLINE_CA_FILE", &ca);
    for call in [
        &["whoami"][..],
        &["status"],
        &["ledger", "verify"],
        &["ledger", "export"],
    ] {
        let called = home.call(call);
        assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    }
    // The data folder says where the server is, as it does without TLS.
    let called = home.call(&["whoami", "--data", "data"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
}

#[test]
fn an_authority_that_is_not_known_and_a_name_that_is_not_the_servers_are_told() {
    let authority = Authority::new();
    let serving = Serving::with(&authority.certify(&["localhost"]), &authority);
    assert_eq!(
        serving.whoami("https://localhost", &[]),
        refused(
            "error: no safe connection to https://localhost:PORT: no known authority vouches for its certificate\nhint: where an authority of your own does, name its certificate with --ca-file\n"
        )
    );
    let ca = serving.ca.display().to_string();
    assert_eq!(
        serving.whoami("https://127.0.0.1", &["--ca-file", &ca]),
        refused(
            "error: no safe connection to https://127.0.0.1:PORT: its certificate is not for `127.0.0.1`\nhint: its certificate is for localhost\n"
        )
    );
    let other = serving.home.current.join("other.crt");
    std::fs::write(&other, Authority::new().pem()).unwrap();
    assert_eq!(
        serving.whoami("https://localhost", &["--ca-file", other.to_str().unwrap()]),
        refused(
            "error: no safe connection to https://localhost:PORT: none of the authorities in --ca-file vouches for its certificate\nhint: name the certificate of the authority that issued it\n"
        )
    );
    assert_eq!(
        serving.whoami("http://localhost", &[]),
        (
            Exit::Usage,
            "error: this address speaks TLS, and the request came without\nhint: use https:// instead of http://\n"
                .to_owned()
        )
    );
}

#[test]
fn an_expired_certificate_is_told_with_its_day() {
    let authority = Authority::new();
    let serving = Serving::with(&authority.certify_expired(&["localhost"]), &authority);
    let ca = serving.ca.display().to_string();
    assert_eq!(
        serving.whoami("https://localhost", &["--ca-file", &ca]),
        refused(
            "error: no safe connection to https://localhost:PORT: its certificate has expired on 2001-01-01\nhint: whoever runs the server must renew it; check the clock of this machine too\n"
        )
    );
}

#[test]
fn a_server_without_tls_is_told_from_one_with() {
    let serving = Serving::without();
    assert_eq!(
        serving.whoami("https://localhost", &[]),
        refused(
            "error: what answers at https://localhost:PORT does not speak TLS\nhint: check the address; without TLS it would begin with http://\n"
        )
    );
}

#[test]
fn half_of_a_certificate_is_a_mistake_that_is_told_before_anything_is_done() {
    let home = Home::new();
    for (arguments, expected) in [
        (
            ["serve", "--tls-certificate", "x.pem"],
            "error: --tls-certificate is given, but not the private key that belongs to it\nhint: name both: --tls-key is missing\n",
        ),
        (
            ["serve", "--tls-key", "x.pem"],
            "error: --tls-key is given, but not the certificate that belongs to it\nhint: name both: --tls-certificate is missing\n",
        ),
    ] {
        let called = home.call(&arguments);
        assert_eq!((called.exit, called.err.as_str()), (Exit::Usage, expected));
    }
}
