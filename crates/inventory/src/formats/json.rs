//! JSON, and JSON with comments and trailing commas, as tools of JavaScript write it.

use serde_json::Value;

use super::Broken;

/// Reads a text; comments and commas before a closing bracket are passed over.
pub(crate) fn read(text: &str) -> Result<Value, Broken> {
    serde_json::from_str(text).or_else(|first| {
        serde_json::from_str(&plain(text)).map_err(|_| Broken {
            line: u32::try_from(first.line()).ok().filter(|line| *line > 0),
            problem: format!("is not valid JSON: {first}"),
        })
    })
}

/// The text with comments and trailing commas as spaces, so that places stay.
fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    let mut comma: Option<usize> = None;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                comma = None;
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    out[at] = b' ';
                    at += 1;
                }
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = text
                    .get(at + 2..)
                    .and_then(|rest| rest.find("*/"))
                    .map_or(bytes.len(), |length| at + 2 + length + 2);
                while at < end {
                    if out[at] != b'\n' {
                        out[at] = b' ';
                    }
                    at += 1;
                }
            }
            b',' => {
                comma = Some(at);
                at += 1;
            }
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    out[comma] = b' ';
                }
                at += 1;
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    comma = None;
                }
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_passed_over() {
        let value = read("{\n // why\n \"a\": [1, 2,], /* é */ \"u\": \"http://x,}\",\n}").unwrap();
        assert_eq!(value["a"][1], 2);
        assert_eq!(value["u"], "http://x,}");
    }

    #[test]
    fn a_broken_text_names_its_line() {
        assert_eq!(read("{\n\"a\": }").unwrap_err().line, Some(2));
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read("/*").is_err());
    }
}
