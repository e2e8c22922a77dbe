//! Messages on a stream socket: four bytes of length, most significant first, and JSON.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

/// The largest message; a longer one is refused before a byte of it is kept.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;

/// Reads one message; `None` when the other side has closed before a next one began.
///
/// # Errors
/// `InvalidData` when the message is too large or not what was expected. What follows on the stream
/// cannot be understood then.
pub(crate) async fn read<M: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        let what = format!("a message of {length} bytes is larger than the {LARGEST} that are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    // It grows with what arrives: a length alone takes no memory. Messages can hold secrets.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(64 * 1024)));
    let mut limited = stream.take(length as u64);
    while bytes.len() < length {
        if limited.read_buf(&mut *bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message that is not understood: {error}"),
        )
    })
}

/// The bytes of a message.
///
/// # Errors
/// `InvalidInput` when it is too large.
pub(crate) fn encode<M: Serialize>(message: &M) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; 4]);
    serde_json::to_writer(&mut *bytes, message)?;
    let length = bytes.len() - 4;
    if length > LARGEST {
        let what = format!("{length} bytes are more than the {LARGEST} that fit");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    bytes[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    Ok(bytes)
}

/// Writes one message.
///
/// # Errors
/// When the stream is closed or the message too large.
pub(crate) async fn write<M: Serialize>(stream: &mut (impl AsyncWrite + Unpin), message: &M) -> io::Result<()> {
    stream.write_all(&encode(message)?).await
}
