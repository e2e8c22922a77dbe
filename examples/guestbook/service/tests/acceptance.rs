//! A visitor writes into the guestbook and reads it: the whole service, over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Service {
    process: Child,
    address: String,
    folder: std::path::PathBuf,
}

impl Service {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("guestbook-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = folder.join("guestbook.db");
        let connection = rusqlite::Connection::open(&database).unwrap();
        let mut migrations: Vec<_> = std::fs::read_dir("migrations")
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        migrations.sort();
        for migration in migrations {
            connection
                .execute_batch(&std::fs::read_to_string(migration).unwrap())
                .unwrap();
        }
        let mut process = Command::new(env!("CARGO_BIN_EXE_guestbook"))
            .env("DATABASE_URL", format!("sqlite:{}", database.display()))
            .env("GREETING", "Hello")
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            process,
            address,
            folder,
        }
    }

    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: guestbook\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_visitor_reads_what_another_wrote() {
    let service = Service::start("reads");
    let written = service.request("POST", "/entries", r#"{"name":"Ada","message":"It runs."}"#);
    assert!(written.starts_with("HTTP/1.1 201"), "{written}");
    let read = service.request("GET", "/entries", "");
    assert!(read.contains("It runs."), "{read}");
}

#[test]
fn an_entry_without_a_message_is_refused() {
    let service = Service::start("refused");
    let answer = service.request("POST", "/entries", r#"{"name":"Ada"}"#);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn the_service_says_that_it_is_well() {
    let service = Service::start("well");
    assert!(service.request("GET", "/health", "").starts_with("HTTP/1.1 200"));
    assert!(service.request("GET", "/", "").contains("Hello"));
}
