//! Taking secrets out of a stream of bytes.
//!
//! A [`Masker`] is told the secrets and is then given bytes in pieces of any size. A byte is masked
//! if it lies in an occurrence of a secret, of one of its lines, or of one of their usual encodings
//! (see [`needles`]); each longest stretch of masked bytes becomes `***`. Where the pieces are cut
//! does not matter: what may still become part of an occurrence is held back, and nothing more.
//!
//! Masking is a net under the rope, never the rope: a step that wants to can print a secret in some
//! way that nobody thought of.

mod needles;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

pub use needles::{SHORTEST, needles};

/// What stands in the place of a secret.
pub const MASK: &[u8] = b"***";

/// More bytes than this are never held back because of a line that has not ended.
const LONGEST_NEEDLE: usize = 256 * 1024;

/// The secrets to look for; shared by the streams of a step.
#[derive(Clone)]
pub struct Secrets {
    /// Sorted, none a duplicate.
    needles: std::sync::Arc<Vec<Vec<u8>>>,
    search: Option<AhoCorasick>,
    /// Which bytes a needle begins with.
    first: [bool; 256],
    longest: usize,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} needles)", self.needles.len())
    }
}

impl Secrets {
    /// Prepares the search for these secrets. Those shorter than [`SHORTEST`] bytes are not looked
    /// for: they would mask half of the log and hide nothing.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut all: Vec<Vec<u8>> = secrets
            .into_iter()
            .flat_map(|secret| needles(secret.as_ref()))
            .collect();
        all.retain(|needle| needle.len() <= LONGEST_NEEDLE);
        all.sort();
        all.dedup();
        let search = if all.is_empty() {
            None
        } else {
            // Overlapping occurrences are all wanted, hence the standard kind of match. An automaton
            // over too many bytes cannot be built; the search by hand below is slower and the same.
            AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(&all)
                .ok()
        };
        let mut first = [false; 256];
        for byte in all.iter().filter_map(|needle| needle.first()) {
            first[usize::from(*byte)] = true;
        }
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            needles: std::sync::Arc::new(all),
            search,
            first,
            longest,
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Marks the bytes that lie in an occurrence.
    fn mark(&self, bytes: &[u8], marks: &mut [bool]) {
        if let Some(search) = &self.search {
            for found in search.find_overlapping_iter(bytes) {
                marks[found.range()].fill(true);
            }
        } else {
            self.mark_by_hand(bytes, marks);
        }
    }

    fn mark_by_hand(&self, bytes: &[u8], marks: &mut [bool]) {
        for start in 0..bytes.len() {
            if !self.first[usize::from(bytes[start])] {
                continue;
            }
            for needle in self.needles.iter().filter(|needle| bytes[start..].starts_with(needle)) {
                marks[start..start + needle.len()].fill(true);
            }
        }
    }

    /// From where on the bytes may be the beginning of an occurrence that ends later.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let earliest = (bytes.len() + 1).saturating_sub(self.longest);
        (earliest..bytes.len())
            .find(|start| {
                let tail = &bytes[*start..];
                self.first[usize::from(tail[0])] && self.begins_needle(tail)
            })
            .unwrap_or(bytes.len())
    }

    /// Whether a needle is longer than `tail` and begins with it. The needles that begin with it stand
    /// together, right after where it would be sorted in itself.
    fn begins_needle(&self, tail: &[u8]) -> bool {
        let at = self.needles.partition_point(|needle| needle.as_slice() <= tail);
        self.needles.get(at).is_some_and(|needle| needle.starts_with(tail))
    }
}

/// Masks one stream of bytes.
#[derive(Debug)]
pub struct Masker {
    secrets: Secrets,
    /// What may still become part of an occurrence, and which of it already is part of one.
    held: Vec<u8>,
    marks: Vec<bool>,
    /// Whether the last byte given out was masked, so that the stretch is not masked twice.
    masking: bool,
}

impl Masker {
    /// A masker for one stream.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            held: Vec::new(),
            marks: Vec::new(),
            masking: false,
        }
    }

    /// Takes the next bytes of the stream and adds to `out` what can be given out.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.secrets.is_empty() {
            out.extend_from_slice(bytes);
            return;
        }
        self.held.extend_from_slice(bytes);
        self.marks.resize(self.held.len(), false);
        self.secrets.mark(&self.held, &mut self.marks);
        let end = self.secrets.open_end(&self.held);
        self.give_out(end, out);
    }

    /// Whether all that was pushed is given out, and what comes next is masked as if nothing had come before.
    pub fn is_at_rest(&self) -> bool {
        self.held.is_empty() && !self.masking
    }

    /// Ends the stream: adds to `out` what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.give_out(self.held.len(), out);
        self.masking = false;
    }

    fn give_out(&mut self, end: usize, out: &mut Vec<u8>) {
        for (byte, marked) in self.held.drain(..end).zip(self.marks.drain(..end)) {
            if !marked {
                out.push(byte);
            } else if !self.masking {
                out.extend_from_slice(MASK);
            }
            self.masking = marked;
        }
    }
}

/// Masks a whole text at once.
pub fn mask_all(secrets: &Secrets, bytes: &[u8]) -> Vec<u8> {
    let mut masker = Masker::new(secrets.clone());
    let mut out = Vec::with_capacity(bytes.len());
    masker.push(bytes, &mut out);
    masker.finish(&mut out);
    out
}

/// The definition, word for word: every needle at every place.
#[cfg(any(test, fuzzing))]
fn naive(needles: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut marks = vec![false; text.len()];
    for needle in needles {
        for start in 0..text.len() {
            if text[start..].starts_with(needle) {
                marks[start..start + needle.len()].fill(true);
            }
        }
    }
    let mut out = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        if !marks[at] {
            out.push(*byte);
        } else if at == 0 || !marks[at - 1] {
            out.extend_from_slice(b"***");
        }
    }
    out
}

/// What is to become of a text, straight from the definition.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn by_definition(secrets: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let all: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| needles(secret)).collect();
    naive(&all, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(secrets: &Secrets, text: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut masker = Masker::new(secrets.clone());
        let mut out = Vec::new();
        let mut rest = text;
        for cut in cuts {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            masker.push(piece, &mut out);
            rest = after;
        }
        masker.push(rest, &mut out);
        masker.finish(&mut out);
        out
    }

    /// Secrets over a small alphabet, so that they overlap, repeat and contain one another.
    fn secret() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(prop::sample::select(b"ab\n'/ \"".to_vec()), 0..14),
            prop::collection::vec(any::<u8>(), 6..40),
        ]
    }

    /// A text made of noise, of secrets, of beginnings of secrets, and of their needles.
    fn text(secrets: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| needles(secret)).collect();
        pieces.extend(secrets);
        pieces.push(b"ab".to_vec());
        let piece = (
            prop::sample::select(pieces),
            any::<prop::sample::Index>(),
            any::<bool>(),
            any::<bool>(),
        );
        let piece = piece.prop_map(|(piece, at, front, whole)| {
            let at = if whole { piece.len() } else { at.index(piece.len() + 1) };
            if front {
                piece[..at].to_vec()
            } else {
                piece[piece.len() - at..].to_vec()
            }
        });
        let noise = prop::collection::vec(prop::sample::select(b"ab\nx".to_vec()), 0..6);
        prop::collection::vec(prop_oneof![3 => piece, 1 => noise], 0..12).prop_map(|pieces| pieces.concat())
    }

    fn case() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>, Vec<usize>)> {
        prop::collection::vec(secret(), 0..4).prop_flat_map(|secrets| {
            let text = text(secrets.clone());
            (Just(secrets), text, prop::collection::vec(0..20_usize, 0..40))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn however_the_stream_is_cut_the_result_is_the_definition((secrets, text, cuts) in case()) {
            let all: Vec<Vec<u8>> = secrets.iter().flat_map(|secret| needles(secret)).collect();
            let prepared = Secrets::new(&secrets);
            let expected = naive(&all, &text);
            prop_assert_eq!(in_pieces(&prepared, &text, &cuts), expected.clone());
            prop_assert_eq!(in_pieces(&prepared, &text, &vec![1; text.len()]), expected.clone());
            let by_hand = Secrets { search: None, ..prepared };
            prop_assert_eq!(in_pieces(&by_hand, &text, &cuts), expected);
        }

        #[test]
        fn no_encoding_of_a_secret_inside_other_bytes_leaves_it_readable(
            secret in "[ -~]{8,40}[!-~]",
            before in prop::collection::vec(any::<u8>(), 0..9),
            after in prop::collection::vec(any::<u8>(), 0..9),
            cuts in prop::collection::vec(0..20_usize, 0..10),
        ) {
            use base64::Engine as _;
            use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
            let prepared = Secrets::new([secret.as_bytes()]);
            let whole = [before.as_slice(), secret.as_bytes(), after.as_slice()].concat();
            for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                let out = in_pieces(&prepared, encoded.as_bytes(), &cuts);
                // All but the two digits that share bits with the neighbours on each side are gone.
                let own = (secret.len() * 8).div_ceil(6).saturating_sub(2);
                prop_assert!(out.len() + own <= encoded.len() + MASK.len() + 2, "{encoded}");
                prop_assert!(out.windows(3).any(|window| window == MASK));
            }
            let encoded = hex::encode(&whole);
            let out = in_pieces(&prepared, encoded.as_bytes(), &cuts);
            prop_assert_eq!(out.len(), hex::encode(&before).len() + 3 + hex::encode(&after).len());
        }
    }

    #[test]
    fn what_cannot_become_a_secret_is_given_out_at_once() {
        let mut masker = Masker::new(Secrets::new(["secret-value"]));
        let mut out = Vec::new();
        masker.push(b"done 50%\nse", &mut out);
        assert_eq!(out, b"done 50%\n");
        masker.push(b"nt\n", &mut out);
        assert_eq!(out, b"done 50%\nsent\n");
    }

    #[test]
    fn short_secrets_are_not_looked_for() {
        assert!(Secrets::new(["", "a", "12345"]).is_empty());
        assert_eq!(mask_all(&Secrets::new(["123456"]), b"a 123456 b"), b"a *** b");
    }

    #[test]
    fn each_line_of_a_key_is_a_secret_too() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n  indented-line\r\n-----END KEY-----\n";
        let secrets = Secrets::new([key]);
        let out = mask_all(&secrets, b"got MIIEvQIBADANBg and [indented-line]");
        assert_eq!(out, b"got *** and [***]");
        assert_eq!(mask_all(&secrets, key.as_bytes()), b"***\n");
    }
}
