//! Asking a person for something that is not shown.

use std::io::{self, Read as _};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex};

use crate::exit::Exit;
use crate::failure::Failure;

/// Reads a line from the terminal without showing it. Ctrl-C and Ctrl-D end the command, and the
/// terminal is as it was in every case.
///
/// # Errors
/// When standard input cannot be read, or the person gives up.
pub fn read_hidden() -> Result<String, Failure> {
    let stdin = io::stdin();
    let wrong = |error: io::Error| Failure::new(Exit::Failed, format!("cannot read from the terminal: {error}"));
    let before = termios::tcgetattr(&stdin).map_err(|error| wrong(error.into()))?;
    let mut hidden = before.clone();
    // Signals too: a Ctrl-C must not leave the terminal hidden, so it is read as what it is.
    hidden
        .local_modes
        .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    termios::tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| wrong(error.into()))?;
    let read = read_line();
    let restored = termios::tcsetattr(&stdin, OptionalActions::Flush, &before);
    eprintln!();
    restored.map_err(|error| wrong(error.into()))?;
    match read.map_err(wrong)? {
        Some(bytes) => String::from_utf8(bytes).map_err(|_| Failure::new(Exit::Usage, "what was typed is no text")),
        None => Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed")),
    }
}

/// The bytes up to the end of the line; nothing when the person gives up.
fn read_line() -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut byte = [0];
    let mut input = io::stdin().lock();
    loop {
        if input.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(Some(line)),
            // Ctrl-C, Ctrl-D, Ctrl-\.
            0x03 | 0x04 | 0x1c => return Ok(None),
            // Backspace takes a whole character away.
            0x08 | 0x7f => while line.pop().is_some_and(|gone| gone & 0xc0 == 0x80) {},
            // Ctrl-U begins anew.
            0x15 => line.clear(),
            other => line.push(other),
        }
    }
}
