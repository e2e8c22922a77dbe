//! What `cargo xtask bench engine` measures from within: appends of facts, and a ledger of very many.
//!
//! Both take what a real server recorded while it delivered a component, and tell it again and again with other names,
//! so facts are like those of a server in kind, size and order, and every view folds them.
//!
//! - `bench appends SAMPLE STORE COUNT AT_ONCE EACH PLACE`: appends of facts to a store, as a line of JSON
//! - `bench many SAMPLE TARGET COUNT`: a ledger of at least so many facts, which a server can be started on
//!
//! It is part of the bench and not of the product.

mod appends;
mod many;
mod story;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "usage: bench appends SAMPLE memory|sqlite|ADDRESS COUNT AT_ONCE EACH FOLDER | bench many SAMPLE TARGET COUNT";

#[tokio::main]
async fn main() -> ExitCode {
    match perform(std::env::args().skip(1).collect()).await {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(arguments: Vec<String>) -> Result<serde_json::Value, Box<dyn Error>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["appends", sample, store, count, at_once, each, folder] => {
            let asked = appends::Asked {
                store: store.to_owned(),
                count: count.parse()?,
                at_once: at_once.parse()?,
                each: each.parse()?,
                folder: PathBuf::from(folder),
            };
            appends::measure(&PathBuf::from(sample), asked).await
        }
        ["many", sample, target, count] => {
            many::make(&PathBuf::from(sample), &PathBuf::from(target), count.parse()?).await
        }
        _ => Err(USAGE.into()),
    }
}
