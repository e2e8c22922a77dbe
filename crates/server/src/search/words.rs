//! Texts as the words they are found by.

/// The longest word that is kept; what is longer is cut.
const LONGEST: usize = 64;
/// At most so many words of one text are kept.
const MOST: usize = 40;
/// Beginnings up to this length have rows of their own, so that a short question finds the newest first.
pub(super) const SHORT: usize = 3;

/// Splits a text into its pieces, in small letters: at everything but letters, digits and what stands
/// inside of names and versions.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let inside = |c: char| matches!(c, '.' | '-' | '_');
    text.split(move |c: char| !c.is_alphanumeric() && !inside(c))
        .map(move |piece| piece.trim_matches(inside))
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.to_lowercase().chars().take(LONGEST).collect())
}

/// Adds the words of a text: each piece, and the parts of one that is made of several.
pub(super) fn of_text(text: &str, words: &mut Vec<String>) {
    for piece in pieces(text) {
        let parts: Vec<&str> = piece.split(['-', '_']).filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 {
            for part in parts {
                add(part.to_owned(), words);
            }
        }
        add(piece, words);
    }
}

/// Adds something that is found by its beginning as a whole, such as an id or a digest.
pub(super) fn of_name(name: &str, words: &mut Vec<String>) {
    for piece in pieces(name) {
        add(piece, words);
    }
}

fn add(word: String, words: &mut Vec<String>) {
    if words.len() < MOST && !words.contains(&word) {
        words.push(word);
    }
}

/// The words of a question.
pub(super) fn of_question(question: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in pieces(question) {
        // As people copy digests; the algorithm says nothing about which.
        if piece != "sha256" && words.len() < 8 && !words.contains(&piece) {
            words.push(piece);
        }
    }
    words
}

/// The beginnings of a word that have rows of their own, each marked so that it is no word.
pub(super) fn beginnings(word: &str) -> Vec<String> {
    word.char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take(SHORT)
        .map(|end| format!("{}*", &word[..end]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        of_text(text, &mut words);
        words
    }

    #[test]
    fn a_text_is_found_by_its_words_and_the_parts_of_its_names() {
        assert_eq!(
            text("Fix: the e-mail of shop/cart-api, in v1.8.0!"),
            [
                "fix", "the", "e", "mail", "e-mail", "of", "shop", "cart", "api", "cart-api", "in", "v1.8.0"
            ]
        );
        assert_eq!(text("Größe ändern — überall"), ["größe", "ändern", "überall"]);
        assert_eq!(text("... -- _"), Vec::<String>::new());
        assert_eq!(text(&"x".repeat(500))[0].len(), LONGEST);
    }

    #[test]
    fn a_question_is_its_words_once_each() {
        assert_eq!(of_question("sha256:ABCD shop/cart  shop"), ["abcd", "shop", "cart"]);
        assert_eq!(of_question("1.8.0"), ["1.8.0"]);
        assert_eq!(of_question(" \t/ "), Vec::<String>::new());
    }

    #[test]
    fn a_word_has_its_short_beginnings() {
        assert_eq!(beginnings("cart"), ["c*", "ca*", "car*"]);
        assert_eq!(beginnings("ä"), ["ä*"]);
    }
}
