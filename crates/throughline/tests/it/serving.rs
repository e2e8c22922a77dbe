//! The program as a server, in a home of its own.

use std::path::PathBuf;

use process::{Channel, Child, Signal, Spec};
use testkit::{Authority, Certified};
use throughline::Exit;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Runtime;

use crate::program::PROGRAM;
use crate::support::Home;

/// The program, serving in a home of its own.
pub struct Serving {
    runtime: Runtime,
    server: Option<Child>,
    /// The home that it serves in; calls go to it.
    pub home: Home,
    pub token: String,
    /// The certificate of its authority.
    pub ca: PathBuf,
    pub port: u16,
}

impl Serving {
    pub fn with(certified: &Certified, authority: &Authority) -> Self {
        let home = Home::new();
        certified.write(&home.current);
        home.file("ca.crt", authority.pem());
        // The settings file, the variable and the flag are one setting.
        home.file("serve.toml", "tls-certificate = \"fullchain.pem\"\n");
        Self::started(home.with("THROUGHLINE_TLS_KEY", "privkey.pem"))
    }

    pub fn without() -> Self {
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
    pub fn whoami(&self, host: &str, more: &[&str]) -> (Exit, String) {
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
