//! Reading a blob as a stream, verified at its end.

use std::fs::File;
use std::io::{self, Read};

use facts::{Digest, Hasher};

/// Gives a blob's bytes and fails at the end when they are not what the digest says. Whoever stops
/// before the end has verified nothing.
#[derive(Debug)]
pub struct VerifyingReader {
    file: File,
    expected: Digest,
    hasher: Option<Hasher>,
}

impl VerifyingReader {
    pub(super) fn new(file: File, expected: Digest) -> Self {
        Self {
            file,
            expected,
            hasher: Some(Hasher::new()),
        }
    }
}

impl Read for VerifyingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
        } else if !buffer.is_empty() {
            let found = self.hasher.take().map(Hasher::finish);
            if found.is_some_and(|found| found != self.expected) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the bytes of blob {} are not what their digest says", self.expected),
                ));
            }
        }
        Ok(count)
    }
}
