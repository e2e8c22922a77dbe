//! Colours, text from elsewhere made harmless, and columns.
//!
//! A colour only repeats what a word or a sign says. Colours are always put in here; the
//! [`Printer`](crate::printer::Printer) takes them out where they do not belong.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

/// What a text is, to be told by its colour too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It stands out.
    Strong,
    /// It stays in the background.
    Quiet,
    /// It is well.
    Good,
    /// It is not well.
    Bad,
    /// It is under way.
    Busy,
    /// It waits.
    Waiting,
    /// It is as everything else.
    Plain,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(anstyle::Color::Ansi(colour)));
        match self {
            Self::Strong => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red).bold(),
            Self::Busy => colour(AnsiColor::Cyan),
            Self::Waiting => colour(AnsiColor::Yellow),
            Self::Plain => Style::new(),
        }
    }
}

/// `text` in the colour of `tone`.
pub fn paint(tone: Tone, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// Text from elsewhere on one line, without anything that moves the cursor, sets colours, or turns
/// the direction of writing.
pub fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .map(|c| if c == '\t' || c == '\n' { ' ' } else { c })
        .filter(|c| !harmful(*c))
        .collect()
}

/// A line of a log: its colours stay, everything else that steers a terminal goes.
pub fn clean_log(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut coloured = false;
    while let Some(at) = rest.find("\u{1b}[") {
        kept.push_str(&clean_part(&rest[..at]));
        let after = &rest[at + 2..];
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'));
        match end {
            Some(end) if after[end..].starts_with('m') => {
                let _ = write!(kept, "\u{1b}[{}m", &after[..end]);
                coloured = true;
                rest = &after[end + 1..];
            }
            _ => {
                // Not a colour: the whole sequence goes, up to its final byte.
                let last = after
                    .find(|c: char| ('@'..='~').contains(&c))
                    .map_or(after.len(), |last| last + 1);
                rest = &after[last..];
            }
        }
    }
    kept.push_str(&clean_part(rest));
    if coloured {
        kept.push_str("\u{1b}[0m");
    }
    kept
}

fn clean_part(text: &str) -> String {
    text.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

/// How many columns `text` takes up on a terminal.
pub fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}

/// `text` (without colours) in at most `columns` columns, with an ellipsis where something is gone.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let mut longer = kept.clone();
        longer.push(c);
        if longer.width() + 1 > columns {
            break;
        }
        kept = longer;
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// The first digits of a commit, digest or the like, as people read them.
pub fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    let length = if id.starts_with("sha256:") { 12 } else { 10 };
    digits.get(..length).unwrap_or(digits)
}

/// Rows in columns. Columns that are empty in every row are left out.
#[derive(Debug, Default)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<(Tone, String)>>,
    indent: usize,
    flexible: Option<usize>,
}

impl Table {
    /// A table with these headings; none where the headings are empty.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            ..Self::default()
        }
    }

    /// Begins each line with `indent` spaces.
    #[must_use]
    pub const fn indented(mut self, indent: usize) -> Self {
        self.indent = indent;
        self
    }

    /// Cuts this column where a line would be longer than the terminal is wide.
    #[must_use]
    pub const fn flexible(mut self, column: usize) -> Self {
        self.flexible = Some(column);
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [(Tone, String); N]) {
        self.rows.push(cells.map(|(tone, text)| (tone, clean(&text))).into());
    }

    /// The lines, each with its line end.
    pub fn render(mut self, columns: Option<usize>) -> String {
        let count = self.header.len();
        let empty = |column: usize| self.rows.iter().all(|row| row[column].1.is_empty());
        let shown: Vec<usize> = (0..count).filter(|column| !empty(*column)).collect();
        let shown: Vec<usize> = if shown.is_empty() { (0..count).collect() } else { shown };
        let headed = self.header.iter().any(|heading| !heading.is_empty());
        let mut widths: Vec<usize> = (0..count)
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].1.width()).max().unwrap_or(0);
                cells.max(self.header[column].width())
            })
            .collect();
        if let (Some(columns), Some(flexible)) = (columns, self.flexible) {
            let total = self.indent + shown.iter().map(|column| widths[*column] + 2).sum::<usize>();
            let over = total.saturating_sub(columns + 2);
            widths[flexible] = widths[flexible].saturating_sub(over).max(12.min(widths[flexible]));
            for row in &mut self.rows {
                row[flexible].1 = cut(&row[flexible].1, widths[flexible]);
            }
        }
        let mut text = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = (Tone, &str, usize)>| {
            let mut one = " ".repeat(self.indent);
            let mut gap = 0;
            for (tone, cell, width) in cells {
                one.push_str(&" ".repeat(gap));
                one.push_str(&paint(tone, cell));
                gap = width.saturating_sub(cell.width()) + 2;
            }
            text.push_str(one.trim_end());
            text.push('\n');
        };
        if headed {
            line(
                &mut shown
                    .iter()
                    .map(|column| (Tone::Quiet, self.header[*column], widths[*column])),
            );
        }
        for row in &self.rows {
            line(
                &mut shown
                    .iter()
                    .map(|column| (row[*column].0, row[*column].1.as_str(), widths[*column])),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{7}\nc\u{202e}d"), "ab cd");
        assert_eq!(
            clean_log("\u{1b}[31mred\u{1b}[2J\u{1b}]0;title\u{7}"),
            "\u{1b}[31mred]0;title\u{1b}[0m"
        );
        assert_eq!(clean_log("a\tb\r"), "a\tb");
        assert_eq!(clean_log("\u{1b}[12;"), "");
    }

    #[test]
    fn a_cut_text_fits_and_says_so() {
        assert_eq!(cut("a wish list", 6), "a wis…");
        assert_eq!(cut("a wish list", 3), "a…");
        assert_eq!(cut("列表列表", 5), "列表…");
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn a_table_leaves_out_columns_without_content() {
        let mut table = Table::new(&["NAME", "NOTE", "AGE"]);
        table.row([
            (Tone::Strong, "one".into()),
            (Tone::Plain, String::new()),
            (Tone::Quiet, "3 s".into()),
        ]);
        table.row([
            (Tone::Strong, "twelve".into()),
            (Tone::Plain, String::new()),
            (Tone::Quiet, "4 s".into()),
        ]);
        let text = anstream::adapter::strip_str(&table.render(None)).to_string();
        assert_eq!(text, "NAME    AGE\none     3 s\ntwelve  4 s\n");
    }
}
