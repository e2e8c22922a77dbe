//! The service that is deployed: this test binary in another role.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A script that makes the test binary play `role`, and hands on its arguments.
pub fn script(role: &str, version: u32, journal: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "#!/bin/sh\nexec env HOUSE_ROLE={role} HOUSE_URL=\"${{1:-}}\" VERSION={version} JOURNAL='{}' \
         '{}' house::service::role --exact --nocapture --test-threads=1\n",
        journal.display(),
        program.display()
    )
}

/// Plays the role that it is started for; nothing in an ordinary test run.
#[test]
fn role() {
    match std::env::var("HOUSE_ROLE").as_deref() {
        Ok("service") => serve(),
        Ok("smoke") => smoke(),
        _ => {}
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Answers with its version. The third version fails every other request to `/`.
fn serve() {
    let line = format!("{}\n", variable("VERSION"));
    let journal = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(variable("JOURNAL"));
    journal.unwrap().write_all(line.as_bytes()).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", variable("PORT").parse().unwrap())).unwrap();
    for connection in listener.incoming().flatten() {
        std::thread::spawn(move || converse(connection));
    }
}

fn converse(connection: TcpStream) -> Option<()> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut writer = connection;
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).ok()? > 2 {
            header.clear();
        }
        let version = variable("VERSION");
        let fails =
            version == "3" && request.starts_with("GET / ") && ASKED.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let status = if fails { "500 No" } else { "200 OK" };
        let length = version.len();
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{version}").ok()?;
    }
}

/// The smoke check: the service answers with its version on a page that never fails.
fn smoke() {
    let url = format!("{}/smoke", variable("HOUSE_URL").trim_end_matches('/'));
    let answer = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(!answer.is_empty());
}
