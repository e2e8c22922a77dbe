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
    let begun = stream.read(&mut length).await?;
    if begun == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[begun..]).await?;
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

/// Reads messages of a kind until the stream ends or cannot be understood; how many there were.
#[cfg(any(test, fuzzing))]
fn read_all<M: DeserializeOwned>(mut bytes: &[u8]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(async {
        let mut count = 0;
        while let Ok(Some(_)) = read::<M>(&mut bytes).await {
            count += 1;
        }
        count
    })
}

/// Reads bytes as messages to the shim and from it, to the keeper and from it.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_as_every_side(bytes: &[u8]) {
    use crate::wire::{Answer, Order, Report, Request};
    read_all::<Request>(bytes);
    read_all::<Answer>(bytes);
    read_all::<Order>(bytes);
    read_all::<Report>(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::Answer;

    #[test]
    fn a_message_comes_back_and_one_that_is_too_large_is_refused_before_it_is_read() {
        let bytes = encode(&Answer::Refused { reason: "no".into() }).unwrap();
        assert_eq!(read_all::<Answer>(&bytes), 1);
        let twice = [bytes.as_slice(), &bytes].concat();
        assert_eq!(read_all::<Answer>(&twice), 2);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (bytes, kind) in [
            (u32::MAX.to_be_bytes().to_vec(), io::ErrorKind::InvalidData),
            (vec![0, 0, 1, 0, b'{'], io::ErrorKind::UnexpectedEof),
            (vec![0, 0], io::ErrorKind::UnexpectedEof),
            (vec![0, 0, 0, 2, b'[', b'x'], io::ErrorKind::InvalidData),
        ] {
            let error = runtime.block_on(read::<Answer>(&mut bytes.as_slice())).unwrap_err();
            assert_eq!(error.kind(), kind, "{bytes:?}");
        }
        assert!(encode(&"x".repeat(LARGEST)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_bytes_bring_either_side_of_a_socket_down(
            length in prop::option::of(0u32..300),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut all = length.map(|length| length.to_be_bytes().to_vec()).unwrap_or_default();
            all.extend(bytes);
            read_as_every_side(&all);
        }

        /// A message of the other side's with something changed: understood as some message, or refused.
        #[test]
        fn a_damaged_message_is_understood_or_refused(
            which in 0usize..4,
            edits in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}\":,0-9a-z_-]{0,6}", 0usize..12), 1..4),
        ) {
            let texts = [
                r#"{"protocol":1,"ask":{"wait":{"attempt":{"step":"build","number":1}}}}"#,
                r#"{"protocol":1,"ask":"close"}"#,
                r#"{"refused":{"reason":"no"}}"#,
                r#"{"could_not_start":{"reason":"no"}}"#,
            ];
            let mut text = texts[which].to_owned();
            for (at, piece, removed) in edits {
                let at = at.index(text.len() + 1);
                text.replace_range(at..(at + removed).min(text.len()), &piece);
            }
            let mut all = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
            all.extend(text.as_bytes());
            read_as_every_side(&all);
        }
    }
}
