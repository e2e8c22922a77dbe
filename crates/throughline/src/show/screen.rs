//! Lines with tones, and a part of the terminal that is drawn again and again in place.

use unicode_width::UnicodeWidthStr as _;

use crate::printer::Printer;
use crate::show::paint::{Tone, clean, cut, paint};

/// A line of texts with their tones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line that begins with so many spaces.
    pub fn indented(by: usize) -> Self {
        Self(if by == 0 {
            Vec::new()
        } else {
            vec![(Tone::Plain, " ".repeat(by))]
        })
    }

    /// Adds a text, which may come from elsewhere.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        self.0.push((tone, clean(text.as_ref())));
        self
    }

    /// How many columns it takes up.
    pub fn columns(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// Fills it with spaces up to a column.
    #[must_use]
    pub fn up_to(mut self, column: usize) -> Self {
        let gap = column.saturating_sub(self.columns()).max(1);
        self.0.push((Tone::Plain, " ".repeat(gap)));
        self
    }

    /// Painted, in at most so many columns.
    pub fn painted(&self, columns: usize) -> String {
        let mut left = columns;
        let mut text = String::new();
        for (tone, part) in &self.0 {
            let fitting = cut(part, left);
            left -= fitting.width().min(left);
            text.push_str(&paint(*tone, &fitting));
            if left == 0 || fitting.width() < part.width() {
                break;
            }
        }
        text
    }
}

/// Puts `parts` into lines of at most `columns` columns, with gaps of two spaces.
pub(crate) fn wrapped(parts: Vec<Line>, indent: usize, columns: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.columns() + 2 + part.columns() <= columns => {
                line.0.push((Tone::Plain, "  ".to_owned()));
                line.0.extend(part.0);
            }
            _ => {
                let mut line = Line::indented(indent);
                line.0.extend(part.0);
                lines.push(line);
            }
        }
    }
    lines
}

/// A part of the terminal that is drawn in place.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    drawn: usize,
}

impl Screen {
    /// Draws `lines` in the place of those drawn before. `size` is columns and rows: what does not fit
    /// is left out at the top.
    pub fn draw(&mut self, lines: &[Line], size: (usize, usize), printer: &mut Printer) {
        let (columns, rows) = size;
        let fitting = lines.len().min(rows.saturating_sub(1));
        let mut text = String::new();
        for line in &lines[lines.len() - fitting..] {
            text.push_str(&line.painted(columns.saturating_sub(1)));
            text.push('\n');
        }
        // One update of the terminal, without the cursor: from the first line drawn before, down.
        printer.steer("\x1b[?2026h\x1b[?25l");
        self.up(printer);
        printer.prompt(&text);
        printer.steer("\x1b[?25h\x1b[?2026l");
        printer.prompt("");
        self.drawn = fitting;
    }

    fn up(&self, printer: &mut Printer) {
        if self.drawn > 0 {
            printer.steer(&format!("\x1b[{}A", self.drawn));
        }
        printer.steer("\r\x1b[J");
    }

    /// Takes what was drawn away.
    pub fn clear(&mut self, printer: &mut Printer) {
        self.up(printer);
        printer.prompt("");
        self.drawn = 0;
    }

    /// Lets what was drawn stand; what is drawn next comes below it.
    pub fn keep(&mut self) {
        self.drawn = 0;
    }
}
