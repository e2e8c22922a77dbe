//! The server as a program, for the tests of this crate: they start it, kill it, and start it again.
//!
//! `house serve JSON` serves with the settings in `JSON`; `house shim` and `house proxy` are what the
//! server starts by itself; `house service` is a small service that the tests deploy. The program that
//! people use is in the crate `throughline`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let code = match arguments.first().map(String::as_str) {
        Some("serve") => serve(&arguments[1]),
        Some("shim") => executor::shim_main(&PathBuf::from(&arguments[2])),
        Some("proxy") => target::proxy_main(&PathBuf::from(&arguments[2])),
        Some("service") => service(),
        _ => {
            eprintln!("usage: house serve JSON | shim --folder FOLDER | proxy --folder FOLDER | service");
            2
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Serves, and says in a line of JSON when it is ready.
fn serve(settings: &str) -> i32 {
    let Ok(given) = serde_json::from_str::<Value>(settings) else {
        return 2;
    };
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let number = |name: &str, otherwise: u64| given[name].as_u64().unwrap_or(otherwise);
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let address = text("address").unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let (Some(data), Ok(address), Ok(executable)) = (text("data"), address.parse(), std::env::current_exe()) else {
        return 2;
    };
    let settings = server::Settings {
        data: PathBuf::from(data),
        database: None,
        address,
        tls: text("tls_certificate")
            .zip(text("tls_key"))
            .map(|(certificate, key)| server::TlsFiles {
                certificate: PathBuf::from(certificate),
                key: PathBuf::from(key),
            }),
        behind_proxy: given["behind_proxy"].as_bool().unwrap_or(false),
        public_url: text("public_url"),
        environments: text("environments").map(PathBuf::from),
        max_parallel: usize::try_from(number("max_parallel", 4)).unwrap_or(4),
        shared_results: None,
        poll_interval: Duration::from_millis(number("poll_interval_ms", 60_000)),
        largest_push: number("largest_push", 1 << 30),
        checkpoints: text("checkpoints").map(PathBuf::from),
        checkpoint_interval: Duration::from_millis(number("checkpoint_interval_ms", 600_000)),
        notifications: text("notifications").map(PathBuf::from),
        secret_key: text("secret_key"),
        isolation: match given["isolation"].as_str() {
            Some("off") => server::IsolationMode::Off,
            Some("required") => server::IsolationMode::Required,
            _ => server::IsolationMode::Available,
        },
        containers: server::ContainerChoice::default(),
        hidden: Vec::new(),
        keep: {
            let usual = server::Keep::default();
            let time = |name: &str, usual: Duration| given[name].as_u64().map_or(usual, Duration::from_millis);
            server::Keep {
                logs: time("keep_logs_ms", usual.logs),
                workspaces: time("keep_workspaces_ms", usual.workspaces),
                caches: time("keep_caches_ms", usual.caches),
                caches_size: number("caches_size", usual.caches_size),
            }
        },
        executable,
        step_variables: server::StepVariables::from(|name| std::env::var(name).ok()),
        told: vec![server::Told {
            name: "data".to_owned(),
            value: given["data"].as_str().unwrap_or_default().to_owned(),
            source: Some("the test".to_owned()),
        }],
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return 1;
        }
    };
    if !given["record"].is_null()
        && let Err(error) = runtime.block_on(record(settings.clone(), &given["record"]))
    {
        eprintln!("{error}");
        return 1;
    }
    let served = runtime.block_on(server::serve(settings, |ready| {
        let token = ready.first_token.as_ref().map(|token| token.as_str());
        println!("{}", json!({ "url": ready.url, "token": token }));
    }));
    match served {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

/// Records a fact that no server would: `{ "stream", "kind", "body" }`.
async fn record(settings: server::Settings, fact: &Value) -> Result<(), String> {
    let house = server::House::open(settings).await.map_err(|error| error.to_string())?;
    let text = |name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    let fact = facts::NewFact {
        stream: facts::Stream::from(text("stream")),
        id: facts::FactId::of_key(&fact.to_string()),
        kind: text("kind"),
        kind_version: 1,
        occurred_at: facts::Clock::now(&facts::SystemClock),
        actor: facts::Actor::System,
        on_behalf_of: None,
        trust: facts::Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body: fact["body"].clone(),
    };
    let appended = house.ledger.append(ledger::Append::unconditional(vec![fact])).await;
    house.engine.stop().await;
    appended.map(drop).map_err(|error| error.to_string())
}

/// Answers every request with `VERSION`. `HEALTH=never` makes it ill, `HEALTH=exit` ends it at once;
/// `/fail` is answered with an error, `/secret` with what the service was given as `SECRET`, and with
/// `FAIL=N` each N-th request to `/` fails.
fn service() -> i32 {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    println!("version {} begins", variable("VERSION"));
    if variable("HEALTH") == "exit" {
        println!("the service cannot start: its cellar is flooded");
        return 7;
    }
    let port = variable("PORT").parse::<u16>().unwrap_or(0);
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else {
        return 1;
    };
    for connection in listener.incoming().flatten() {
        std::thread::spawn(move || converse(connection));
    }
    0
}

fn converse(connection: TcpStream) -> Option<()> {
    static ANSWERED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut writer = connection;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).ok()? > 2 {
            line.clear();
        }
        let path = request.split(' ').nth(1)?;
        let each: u64 = variable("FAIL").parse().unwrap_or(0);
        let (status, body) = match path {
            "/health" if variable("HEALTH") == "never" => (503, "not yet".to_owned()),
            "/health" => (200, "well".to_owned()),
            "/fail" => (500, "as asked".to_owned()),
            "/secret" => (200, variable("SECRET")),
            "/" => {
                let number = ANSWERED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                let fails = each > 0 && number.is_multiple_of(each);
                (if fails { 500 } else { 200 }, variable("VERSION"))
            }
            _ => (200, variable("VERSION")),
        };
        let length = body.len();
        write!(
            writer,
            "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\ncontent-type: text/plain\r\n\r\n{body}"
        )
        .ok()?;
    }
}
