//! Events of the server as they happen.

use std::io::BufRead;

use super::{Address, Client};
use crate::failure::Failure;

/// Calls `each` with the data of every event from now on, until it says `false` or the server goes.
///
/// # Errors
/// When no server answers, or it answers with a problem.
pub fn follow(client: &Client, mut each: impl FnMut(&str) -> bool) -> Result<(), Failure> {
    let mut reader = client.stream(&Address::of(&["events"]))?;
    // Something may have happened while the connection was made.
    if !each("") {
        return Ok(());
    }
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
        if let Some(data) = line.trim_end().strip_prefix("data:")
            && !each(data.trim_start())
        {
            return Ok(());
        }
    }
}
