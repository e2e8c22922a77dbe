//! Asks a running guestbook whether a visitor could use it: `smoke http://HOST:PORT`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

fn ask(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_default();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    for (path, expected) in [("/health", "\"well\":true"), ("/", "greeting"), ("/entries", "entries")] {
        match ask(address, path) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200") && answer.contains(expected) => println!("{path} is well"),
            Ok(answer) => {
                eprintln!("{path} is not well: {}", answer.lines().next().unwrap_or("no answer"));
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("{path} does not answer: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
