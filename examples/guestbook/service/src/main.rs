//! A guestbook: an HTTP service that keeps what visitors write in a SQLite database.

mod entries;
mod http;
mod settings;

use std::sync::Arc;

use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::Settings::from_variables(|name| std::env::var(name).ok())?;
    let entries = entries::Entries::open(&settings.database)?;
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    println!("listening on {}", listener.local_addr()?);
    http::serve(listener, Arc::new(http::Guestbook { entries, settings })).await;
    Ok(())
}
