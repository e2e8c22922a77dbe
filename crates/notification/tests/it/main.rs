//! Sending, to real servers on this machine.

#![allow(clippy::unwrap_used, missing_docs)]

mod mail;
mod webhook;

use facts::Timestamp;
use notification::{Message, Notification, Reach};

/// A message that tells one thing.
pub fn message(title: &str) -> Message {
    let url = "https://deliver.example.org/runs/x".to_owned();
    let mut one = Notification::test("notification_1".to_owned(), Timestamp::UNIX_EPOCH, url);
    one.title = title.to_owned();
    Message::new(vec![one]).unwrap()
}

/// What may be reached where this machine is allowed.
pub fn here() -> Reach {
    Reach::new(vec!["127.0.0.0/8".parse().unwrap()])
}
