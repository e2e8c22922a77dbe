//! The nearest of some names: what a person probably meant.

/// The candidate that is closest to `name`, if one is close enough to be a likely slip of the
/// finger: at most a third of the letters differ.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(MOST_LETTERS).map(fold).collect();
    let most = (name.len() / 3).max(1);
    let is_close = |candidate: &&str| candidate.chars().take(MOST_LETTERS).count().abs_diff(name.len()) <= most;
    candidates
        .into_iter()
        .take(MOST_CANDIDATES)
        .filter(is_close)
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names are compared up to this length; what is longer is no slip of the finger.
const MOST_LETTERS: usize = 100;

/// No more candidates are looked at: what is wrong should be said soon.
const MOST_CANDIDATES: usize = 500;

/// Case and the choice between `-` and `_` do not count as differences worth more than nothing.
fn fold(letter: char) -> char {
    match letter {
        '-' => '_',
        other => other.to_ascii_lowercase(),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one name into the other
/// (optimal string alignment).
fn distance(name: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().take(MOST_LETTERS).map(fold).collect();
    let width = other.len() + 1;
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, letter) in name.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, wanted) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != wanted);
            row[j + 1] = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && name[i - 1] == *wanted && *letter == other[j - 1];
            if swapped {
                row[j + 1] = row[j + 1].min(rows[i - 1][j - 1] + 1);
            }
        }
        rows.push(row);
    }
    rows[name.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_what_was_meant() {
        let names = ["needs", "run", "timeout", "variables", "working_folder"];
        assert_eq!(nearest("need", names), Some("needs"));
        assert_eq!(nearest("rnu", names), Some("run"));
        assert_eq!(nearest("Timeout", names), Some("timeout"));
        assert_eq!(nearest("varaibels", names), Some("variables"));
        assert_eq!(nearest("working-folder", names), Some("working_folder"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("matrix", ["needs", "run", "timeout"]), None);
        assert_eq!(nearest("", ["needs"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["needs"]), None);
    }
}
