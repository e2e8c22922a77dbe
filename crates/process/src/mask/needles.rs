//! The forms in which a secret turns up in what programs say.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Shorter secrets are not masked, nor shorter encodings and lines of longer ones.
pub const SHORTEST: usize = 6;

/// Every byte string to look for, for one secret: the secret itself, its lines, and for each of them
/// base64 (standard and URL alphabet, at each of the three alignments, wrapped at 64 and 76 columns),
/// hex, percent-encoding, and the escapes of JSON and of shells. None is shorter than [`SHORTEST`].
pub fn needles(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut found = BTreeSet::new();
    for part in parts(secret) {
        found.insert(part.to_vec());
        base64_forms(part, &mut found);
        hex_forms(part, &mut found);
        percent_forms(part, &mut found);
        if let Ok(text) = std::str::from_utf8(part) {
            json_forms(text, &mut found);
        }
        shell_forms(part, &mut found);
    }
    found.into_iter().filter(|needle| needle.len() >= SHORTEST).collect()
}

/// The secret, and its lines without the space around them. The line end after the secret is no part
/// of it: masking it would join two lines of the log.
fn parts(secret: &[u8]) -> BTreeSet<&[u8]> {
    let mut parts = BTreeSet::from([secret.trim_ascii_end()]);
    parts.extend(
        secret
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .map(<[u8]>::trim_ascii),
    );
    parts.retain(|part| part.len() >= SHORTEST);
    parts
}

/// Inside a longer text the first and the last digit may hold bits of what stands beside the secret;
/// only the digits between are the secret's own. At the text's beginning and end all are.
fn base64_forms(part: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    let mut with_line_end = part.to_vec();
    with_line_end.push(b'\n');
    for engine in [STANDARD, URL_SAFE] {
        for whole in [part, &with_line_end] {
            let encoded = engine.encode(whole);
            found.insert(encoded.trim_end_matches('=').as_bytes().to_vec());
            for width in [64, 76] {
                if encoded.len() > width {
                    let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
                    found.insert(lines.join(&b'\n'));
                    found.extend(lines.into_iter().map(<[u8]>::to_vec));
                }
            }
            found.insert(encoded.into_bytes());
        }
        for before in 0..3_usize {
            let mut shifted = vec![0; before];
            shifted.extend_from_slice(part);
            let encoded = engine.encode(&shifted);
            let from = (before * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            found.extend(encoded.get(from..to).map(|own| own.as_bytes().to_vec()));
        }
    }
}

fn hex_forms(part: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    found.insert(hex::encode(part).into_bytes());
    found.insert(hex::encode_upper(part).into_bytes());
}

fn percent_forms(part: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    // What RFC 3986 leaves as it is, and what JavaScript's `encodeURIComponent` leaves besides.
    for (also, space) in [
        ("-._~", "%20"),
        ("-._~", "+"),
        ("-_.!~*'()", "%20"),
        ("-._~/", "%20"),
        ("-._*", "+"),
    ] {
        for upper in [true, false] {
            let mut text = String::new();
            for byte in part {
                if byte.is_ascii_alphanumeric() || also.as_bytes().contains(byte) {
                    text.push(char::from(*byte));
                } else if *byte == b' ' {
                    text.push_str(space);
                } else if upper {
                    let _ = write!(text, "%{byte:02X}");
                } else {
                    let _ = write!(text, "%{byte:02x}");
                }
            }
            found.insert(text.into_bytes());
        }
    }
}

/// Inside a JSON string: as most writers do it, with slashes escaped, and in ASCII alone.
fn json_forms(text: &str, found: &mut BTreeSet<Vec<u8>>) {
    let quoted = serde_json::Value::from(text).to_string();
    let plain = &quoted[1..quoted.len() - 1];
    let mut ascii = String::new();
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() && byte != 0x7f => ascii.push(char::from(byte)),
            _ => {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    // Written into a string of a document that is itself written into a string.
    let twice = serde_json::Value::from(plain).to_string();
    found.insert(twice.as_bytes()[1..twice.len() - 1].to_vec());
    found.insert(plain.replace('/', "\\/").into_bytes());
    // Writers for pages escape these three besides.
    found.insert(
        ascii
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .into_bytes(),
    );
    found.insert(
        plain
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .into_bytes(),
    );
    found.insert(ascii.replace('/', "\\/").into_bytes());
    found.insert(ascii.into_bytes());
    found.insert(plain.as_bytes().to_vec());
}

/// As shells show a word: `set -x`, `printf %q`, and what stands between double quotes.
fn shell_forms(part: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    let replaced = |from: u8, to: &[u8]| {
        let mut out = Vec::new();
        for byte in part {
            if *byte == from {
                out.extend_from_slice(to);
            } else {
                out.push(*byte);
            }
        }
        out
    };
    found.insert(replaced(b'\'', b"'\\''"));
    found.insert(replaced(b'\'', b"'\"'\"'"));
    let escaped = |must: &dyn Fn(u8) -> bool| {
        let mut out = Vec::new();
        for byte in part {
            if must(*byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out
    };
    found.insert(escaped(&|byte| matches!(byte, b'"' | b'\\' | b'$' | b'`')));
    found.insert(escaped(&|byte| matches!(byte, b'"' | b'\\' | b'$' | b'`' | b'!')));
    found.insert(escaped(&|byte| {
        byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && !b"_-./:@%+=,".contains(&byte) || byte == b' '
    }));
    found.insert(escaped(&|byte| {
        byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && !b"_-./:@%+=".contains(&byte) || byte == b' '
    }));
    // Bash's `$'...'`, for a word with control characters or bytes outside its character set.
    for octal in [false, true] {
        let mut ansi = Vec::new();
        for byte in part {
            match byte {
                b'\n' => ansi.extend_from_slice(b"\\n"),
                b'\t' => ansi.extend_from_slice(b"\\t"),
                b'\r' => ansi.extend_from_slice(b"\\r"),
                b'\'' | b'\\' => ansi.extend_from_slice(&[b'\\', *byte]),
                other if octal && !(b' '..=b'~').contains(other) => {
                    ansi.extend_from_slice(format!("\\{other:03o}").as_bytes());
                }
                other => ansi.push(*other),
            }
        }
        found.insert(ansi);
    }
}
