//! Markdown, as far as it is asked here: spans of code, blocks of code, links, headings and tables.

/// Something in a document, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The line, from 1.
    pub line: usize,
    /// The text.
    pub text: String,
}

/// What a document holds.
#[derive(Debug, Default)]
pub struct Document {
    /// What stands between single backquotes.
    pub spans: Vec<Part>,
    /// The lines of blocks of code, each with the block's language.
    pub blocks: Vec<(String, Part)>,
    /// The targets of links and pictures.
    pub links: Vec<Part>,
    /// Headings, as the anchors that links name.
    pub anchors: Vec<String>,
    /// Rows of tables, a cell each, without the line below the head.
    pub rows: Vec<(usize, Vec<String>)>,
}

/// Reads a document.
pub fn read(text: &str) -> Document {
    let mut document = Document::default();
    let mut block: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() {
                None
            } else {
                Some(language.trim().to_owned())
            };
            continue;
        }
        if let Some(language) = &block {
            document.blocks.push((
                language.clone(),
                Part {
                    line: number,
                    text: line.to_owned(),
                },
            ));
            continue;
        }
        if line.starts_with('#') {
            document.anchors.push(anchor(line.trim_start_matches('#').trim()));
        }
        if line.starts_with('|') && !line.chars().all(|c| "|-: ".contains(c)) {
            document.rows.push((number, cells(line)));
        }
        // What stands between backquotes is every other piece.
        for (at, piece) in line.split('`').enumerate() {
            if at % 2 == 1 {
                document.spans.push(Part {
                    line: number,
                    text: piece.to_owned(),
                });
            } else {
                document
                    .links
                    .extend(links(piece).map(|text| Part { line: number, text }));
            }
        }
        document
            .links
            .extend(links_around_code(line).map(|text| Part { line: number, text }));
    }
    document
}

fn cells(line: &str) -> Vec<String> {
    // A bar within a cell is written `\|`.
    let inner = line
        .trim()
        .trim_start_matches('|')
        .trim_end_matches('|')
        .replace("\\|", "\u{0}");
    inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

/// Targets of `[text](target)` within a piece of a line.
fn links(piece: &str) -> impl Iterator<Item = String> + '_ {
    piece
        .match_indices("](")
        .filter_map(|(at, _)| target(&piece[at + 2..]))
        .filter(move |_| piece.contains('['))
}

/// Targets of links whose text is code, as in [`name`](target).
fn links_around_code(line: &str) -> impl Iterator<Item = String> + '_ {
    line.match_indices("`](").filter_map(|(at, _)| target(&line[at + 3..]))
}

fn target(rest: &str) -> Option<String> {
    let target = rest.split(')').next()?.split(' ').next()?;
    (!target.is_empty()).then(|| target.to_owned())
}

/// The anchor of a heading, as the field's viewers make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// What stands between backquotes in a cell.
pub fn names_in(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_blocks_links_headings_and_tables_are_read_with_their_lines() {
        let text = "# One, two\nSee `a/b` and [c](d.md#x) and [`e`](f.md).\n\n| h | i |\n|---|---|\n| `j` | k \\| l |\n```sh\nrun `this`\n```\n";
        let document = read(text);
        let spans: Vec<(usize, &str)> = document
            .spans
            .iter()
            .map(|part| (part.line, part.text.as_str()))
            .collect();
        assert_eq!(spans, [(2, "a/b"), (2, "e"), (6, "j")]);
        let links: Vec<&str> = document.links.iter().map(|part| part.text.as_str()).collect();
        assert!(links.contains(&"d.md#x") && links.contains(&"f.md"), "{links:?}");
        assert_eq!(document.anchors, ["one-two"]);
        assert_eq!(document.rows[1], (6, vec!["`j`".to_owned(), "k | l".to_owned()]));
        assert_eq!(
            document.blocks,
            [(
                "sh".to_owned(),
                Part {
                    line: 8,
                    text: "run `this`".to_owned()
                }
            )]
        );
    }
}
