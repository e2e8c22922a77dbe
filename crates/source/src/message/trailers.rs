//! Trailers: the lines `Key: value` at the end of a commit's message, found as git itself finds them
//! (`git interpret-trailers --parse --no-divider`). Pure.

/// A trailer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// The line of the message that it begins on, from 1.
    pub line: u32,
    /// What stands before the colon; its case means nothing.
    pub key: String,
    /// What stands behind it; of several lines one.
    pub value: String,
}

/// What begins a line that is not part of what a message says.
const COMMENT: char = '#';
/// Lines that git adds by itself: with one of them, a paragraph may hold other text too.
const GENERATED: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];
/// The line from which on nothing is part of the message.
const CUT: &str = "# ------------------------ >8 ------------------------";

/// What git takes for a space; others are letters to it.
fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn is_blank(line: &str) -> bool {
    line.chars().all(is_space)
}

fn continues(line: &str) -> bool {
    line.starts_with(is_space)
}

/// Where the colon stands that makes a line a trailer.
fn separator(line: &str) -> Option<usize> {
    let mut blanks = false;
    for (place, c) in line.char_indices() {
        match c {
            ':' => return (place > 0).then_some(place),
            ' ' | '\t' if place > 0 => blanks = true,
            _ if !blanks && (c.is_ascii_alphanumeric() || c == '-') => {}
            _ => return None,
        }
    }
    None
}

/// How many of the lines are the message: not comments, blank lines and the list of conflicts at its end.
fn said(lines: &[&str]) -> usize {
    let cut = lines.iter().position(|line| *line == CUT).unwrap_or(lines.len());
    let (mut end, mut conflicts) = (None, false);
    for (number, line) in lines[..cut].iter().enumerate() {
        if line.starts_with(COMMENT) || line.is_empty() {
            end.get_or_insert(number);
        } else if *line == "Conflicts:" {
            conflicts = true;
            end.get_or_insert(number);
        } else if !(conflicts && line.starts_with('\t')) {
            end = None;
            conflicts = false;
        }
    }
    end.unwrap_or(cut)
}

/// The lines of the last paragraph, when it is one of trailers; the first paragraph never is.
fn block(lines: &[&str]) -> Option<usize> {
    let title = lines
        .iter()
        .position(|line| !line.starts_with(COMMENT) && is_blank(line))?;
    let (mut trailers, mut others, mut continuing) = (0_usize, 0_usize, 0_usize);
    let (mut generated, mut only_blanks) = (false, true);
    for number in (title..lines.len()).rev() {
        let line = lines[number];
        if line.starts_with(COMMENT) {
            others += std::mem::take(&mut continuing);
        } else if is_blank(line) {
            if only_blanks {
                continue;
            }
            others += continuing;
            let found = (generated && trailers * 3 >= others) || (trailers > 0 && others == 0);
            return found.then_some(number + 1);
        } else {
            only_blanks = false;
            if GENERATED.iter().any(|prefix| line.starts_with(prefix)) {
                generated = true;
                trailers += 1;
                continuing = 0;
            } else if !continues(line) && separator(line).is_some() {
                trailers += 1;
                continuing = 0;
            } else if continues(line) {
                continuing += 1;
            } else {
                others += 1 + std::mem::take(&mut continuing);
            }
        }
    }
    None
}

/// The trailers of a commit's message, in their order.
pub fn trailers(message: &str) -> Vec<Trailer> {
    let lines: Vec<&str> = message.split('\n').collect();
    let lines = &lines[..said(&lines)];
    let mut found: Vec<Trailer> = Vec::new();
    let mut open = false; // Whether the line before was part of a trailer.
    let Some(first) = block(lines) else { return found };
    for (number, line) in lines.iter().enumerate().skip(first) {
        if open && continues(line) {
            if let Some(trailer) = found.last_mut() {
                let more = line.trim_matches(is_space);
                if !more.is_empty() {
                    trailer.value.push(' ');
                    trailer.value.push_str(more);
                }
            }
            continue;
        }
        open = false;
        if line.starts_with(COMMENT) {
            continue;
        }
        if let Some(place) = separator(line) {
            open = true;
            found.push(Trailer {
                line: u32::try_from(number + 1).unwrap_or(u32::MAX),
                key: line[..place].trim_matches(is_space).to_owned(),
                value: line[place + 1..].trim_matches(is_space).to_owned(),
            });
        }
    }
    for trailer in &mut found {
        trailer.value = trailer.value.trim_matches(is_space).to_owned();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(message: &str) -> Vec<(u32, String, String)> {
        trailers(message)
            .into_iter()
            .map(|trailer| (trailer.line, trailer.key, trailer.value))
            .collect()
    }

    #[test]
    fn the_last_paragraph_holds_them_and_only_where_it_is_one_of_trailers() {
        let found = |line: u32, key: &str, value: &str| (line, key.to_owned(), value.to_owned());
        assert_eq!(
            pairs("Title\n\nText: of the body\n\nDepends-On: shop/core@abc\nchange-id: I1\n"),
            [found(5, "Depends-On", "shop/core@abc"), found(6, "change-id", "I1")]
        );
        // The title is none, nor is a paragraph that holds something else too.
        assert!(pairs("Depends-On: shop/core@abc\n").is_empty());
        assert!(pairs("Title\n\nsome text\nDepends-On: shop/core@abc\n").is_empty());
        assert!(pairs("Title\n\nDepends-On: a@b\n\nthe last paragraph\n").is_empty());
        // Unless git signed it.
        assert_eq!(
            pairs("Title\n\nsome text\nSigned-off-by: A <a@b>\nDepends-On: a@b\n"),
            [found(4, "Signed-off-by", "A <a@b>"), found(5, "Depends-On", "a@b")]
        );
        assert_eq!(
            pairs("T\n\nDepends-On:\n  shop/core@abc\n# a comment\n"),
            [found(3, "Depends-On", "shop/core@abc")]
        );
    }
}
