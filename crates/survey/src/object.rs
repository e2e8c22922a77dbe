//! Commits and tags, from the bytes of their objects.
//!
//! Old histories hold many that are not quite well-formed. What can be understood of one is taken; only
//! without a tree and a committer there is nothing to be had.

use crate::rows::{CommitId, Seconds};

/// A commit's object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CommitObject<'a> {
    pub tree: CommitId,
    pub parents: Vec<CommitId>,
    pub author: Who<'a>,
    pub committer: Who<'a>,
    /// The name of the encoding of names and message, when it says one.
    pub encoding: Option<&'a [u8]>,
    pub is_signed: bool,
    pub message: &'a [u8],
}

/// A person and a time, as bytes.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Who<'a> {
    /// `Name <mail>`, without the time.
    pub whole: &'a [u8],
    pub when: Seconds,
}

/// A tag's object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TagObject<'a> {
    pub target: CommitId,
    pub kind: &'a [u8],
    pub tagger: Option<Who<'a>>,
}

/// Splits headers from message: calls `each` with name and value of each header, continued lines left out.
fn headers<'a>(bytes: &'a [u8], mut each: impl FnMut(&'a [u8], &'a [u8])) -> &'a [u8] {
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.is_empty() {
            return rest;
        }
        if line[0] == b' ' {
            continue;
        }
        if let Some(space) = line.iter().position(|byte| *byte == b' ') {
            each(&line[..space], &line[space + 1..]);
        }
    }
    &[]
}

fn who(value: &[u8]) -> Who<'_> {
    // The last `>` ends the address; names have held others.
    let end = value
        .iter()
        .rposition(|byte| *byte == b'>')
        .map_or(value.len(), |at| at + 1);
    let time = value[end..].trim_ascii_start();
    let digits = time
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'-')
        .unwrap_or(time.len());
    let when = std::str::from_utf8(&time[..digits])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    Who {
        whole: &value[..end],
        when,
    }
}

impl<'a> CommitObject<'a> {
    /// Reads one; nothing when it has no tree or no committer.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut tree, mut author, mut committer, mut encoding) = (None, None, None, None);
        let mut parents = Vec::new();
        let mut is_signed = false;
        let message = headers(bytes, |name, value| match name {
            b"tree" if tree.is_none() => tree = CommitId::from_hex(value),
            b"parent" => parents.extend(CommitId::from_hex(value)),
            b"author" if author.is_none() => author = Some(who(value)),
            b"committer" if committer.is_none() => committer = Some(who(value)),
            b"encoding" => encoding = Some(value),
            b"gpgsig" | b"gpgsig-sha256" => is_signed = true,
            _ => {}
        });
        let committer = committer?;
        Some(Self {
            tree: tree?,
            parents,
            author: author.unwrap_or(committer),
            committer,
            encoding,
            is_signed,
            message,
        })
    }
}

impl<'a> TagObject<'a> {
    /// Reads one; nothing when it does not say what it is of.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut target, mut kind, mut tagger) = (None, None, None);
        headers(bytes, |name, value| match name {
            b"object" => target = CommitId::from_hex(value),
            b"type" => kind = Some(value),
            b"tagger" => tagger = Some(who(value)),
            _ => {}
        });
        Some(Self {
            target: target?,
            kind: kind?,
            tagger,
        })
    }
}

/// Text of an object in the encoding that it names. What is no UTF-8 and names none, or one that is not
/// Latin-1 or its kin, is UTF-8 with U+FFFD in places.
pub(crate) fn text(bytes: &[u8], encoding: Option<&[u8]>) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let name = encoding.unwrap_or_default().to_ascii_lowercase();
    let latin: [&[u8]; 7] = [
        b"iso-8859-1",
        b"iso8859-1",
        b"iso-8859-15",
        b"latin1",
        b"latin-1",
        b"windows-1252",
        b"cp1252",
    ];
    if latin.contains(&name.as_slice()) {
        return bytes.iter().map(|byte| char::from(*byte)).collect();
    }
    String::from_utf8_lossy(bytes).into_owned()
}

/// Name and address of `Name <mail>`.
pub(crate) fn name_and_email(whole: &str) -> (&str, &str) {
    match whole.split_once('<') {
        Some((name, email)) => (name.trim(), email.trim_end_matches('>').trim()),
        None => (whole.trim(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    #[test]
    fn a_commit_is_read_from_its_headers() {
        let object = format!(
            "tree {TREE}\nparent {0}\nparent {1}\nauthor Ada L <ada@x> 100 +0200\ncommitter Grace <g@x> 200 -0500\nencoding ISO-8859-1\ngpgsig -----BEGIN\n parent no\n \n -----END\n\nsubject\n\nbody\n",
            "1".repeat(40),
            "2".repeat(40)
        );
        let commit = CommitObject::read(object.as_bytes()).unwrap();
        assert_eq!(commit.parents, [CommitId([0x11; 20]), CommitId([0x22; 20])]);
        assert_eq!((commit.author.whole, commit.author.when), (&b"Ada L <ada@x>"[..], 100));
        assert_eq!(commit.committer.when, 200);
        assert!(commit.is_signed);
        assert_eq!(commit.encoding, Some(&b"ISO-8859-1"[..]));
        assert_eq!(commit.message, b"subject\n\nbody\n");
        assert_eq!(commit.tree.to_string(), TREE);
    }

    #[test]
    fn what_is_broken_in_a_commit_is_left_out_and_the_rest_is_taken() {
        let object = format!("tree {TREE}\nparent xyz\nauthor A <a> b> \ncommitter <> 99999999999999999999999 +0000\n");
        let commit = CommitObject::read(object.as_bytes()).unwrap();
        assert!(commit.parents.is_empty());
        assert_eq!(commit.author.whole, b"A <a> b>");
        assert_eq!(commit.committer.when, 0);
        assert_eq!(commit.message, b"");
        assert_eq!(CommitObject::read(b""), None);
        assert_eq!(CommitObject::read(b"\xff\xfe\n\n\n"), None);
    }

    #[test]
    fn a_tag_says_what_it_is_of() {
        let object = format!("object {TREE}\ntype tree\ntag x\ntagger T <t@x> 5 +0000\n\nmessage");
        let tag = TagObject::read(object.as_bytes()).unwrap();
        assert_eq!(tag.kind, b"tree");
        assert_eq!(tag.tagger.unwrap().when, 5);
        let old = format!("object {TREE}\ntype commit\ntag x\n\n");
        assert_eq!(TagObject::read(old.as_bytes()).unwrap().tagger, None);
    }

    #[test]
    fn text_is_read_in_the_encoding_that_is_named() {
        assert_eq!(text(b"J\xfcrgen", Some(b"ISO-8859-1")), "Jürgen");
        assert_eq!(text("Jürgen".as_bytes(), Some(b"ISO-8859-1")), "Jürgen");
        assert_eq!(text(b"J\xfcrgen", None), "J\u{fffd}rgen");
        assert_eq!(text(b"J\xfcrgen", Some(b"KOI8-R")), "J\u{fffd}rgen");
    }

    #[test]
    fn a_signature_has_a_name_and_an_address() {
        assert_eq!(name_and_email(" Ada  <ada@x>"), ("Ada", "ada@x"));
        assert_eq!(name_and_email("Ada"), ("Ada", ""));
        assert_eq!(name_and_email("<x>"), ("", "x"));
    }
}
