//! Terminal text to HTML: colour escapes become spans, everything else is escaped or made visible.
//!
//! A log holds whatever a step wrote. Select-graphic-rendition sequences (`ESC [ … m`) become
//! `<span>`s with classes, since the pages' content security policy forbids style attributes; 256 and
//! true colours become the nearest of the sixteen. All other escape sequences, which move cursors, set
//! titles or make links, are dropped. Other control characters are shown by their pictures, and
//! characters that reorder text are shown by their code points, so that a log cannot pretend to be
//! something else. Each line begins without colour.

use maud::{Markup, PreEscaped};

/// Characters of one line that are shown; the raw text has the rest.
const LONGEST: usize = 8_000;

/// How a stretch of text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    foreground: Option<u8>,
    background: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    strike: bool,
    inverse: bool,
}

impl Look {
    /// The classes of the span; empty for plain text.
    fn classes(self) -> String {
        let (mut foreground, mut background) = (self.foreground, self.background);
        if self.inverse {
            std::mem::swap(&mut foreground, &mut background);
        }
        let mut classes: Vec<String> = Vec::new();
        classes.extend(foreground.map(|colour| format!("f{colour}")));
        classes.extend(background.map(|colour| format!("k{colour}")));
        for (on, class) in [
            (self.bold, "sb"),
            (self.dim, "sd"),
            (self.italic, "si"),
            (self.underline, "su"),
            (self.strike, "ss"),
            (
                self.inverse && self.foreground.is_none() && self.background.is_none(),
                "sv",
            ),
        ] {
            if on {
                classes.push(class.to_owned());
            }
        }
        classes.join(" ")
    }

    /// Follows one `ESC [ … m`, its parameters as written.
    fn follow(&mut self, parameters: &str) {
        let mut codes = parameters
            .split([';', ':'])
            .map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.strike = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.strike = false,
                30..=37 => self.foreground = Some((code - 30) as u8),
                38 => self.foreground = extended(&mut codes).or(self.foreground),
                39 => self.foreground = None,
                40..=47 => self.background = Some((code - 40) as u8),
                48 => self.background = extended(&mut codes).or(self.background),
                49 => self.background = None,
                90..=97 => self.foreground = Some((code - 90 + 8) as u8),
                100..=107 => self.background = Some((code - 100 + 8) as u8),
                _ => {}
            }
        }
    }
}

/// The colour after 38 or 48: `5;n` of 256, or `2;r;g;b`.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next()? {
        5 => match codes.next()? {
            n @ 0..=15 => Some(n as u8),
            n @ 16..=231 => {
                let level = |n: u16| if n == 0 { 0 } else { 55 + 40 * n };
                let n = n - 16;
                Some(nearest([level(n / 36), level(n / 6 % 6), level(n % 6)]))
            }
            n @ 232..=255 => Some(nearest([8 + 10 * (n - 232); 3])),
            _ => None,
        },
        2 => Some(nearest([codes.next()?, codes.next()?, codes.next()?])),
        _ => None,
    }
}

/// The nearest of the sixteen colours of a terminal, by the distance of red, green and blue.
fn nearest(colour: [u16; 3]) -> u8 {
    const SIXTEEN: [[i32; 3]; 16] = [
        [0, 0, 0],
        [205, 0, 0],
        [0, 205, 0],
        [205, 205, 0],
        [0, 0, 238],
        [205, 0, 205],
        [0, 205, 205],
        [229, 229, 229],
        [127, 127, 127],
        [255, 0, 0],
        [0, 255, 0],
        [255, 255, 0],
        [92, 92, 255],
        [255, 0, 255],
        [0, 255, 255],
        [255, 255, 255],
    ];
    let distance = |entry: &[i32; 3]| -> i32 {
        entry
            .iter()
            .zip(colour)
            .map(|(a, b)| (a - i32::from(b.min(255))).pow(2))
            .sum()
    };
    (0_u8..16)
        .min_by_key(|index| distance(&SIXTEEN[usize::from(*index)]))
        .unwrap_or(7)
}

/// A piece of a line.
enum Piece<'a> {
    Text(char),
    Graphics(&'a str),
}

/// Cuts the line into characters and graphic sequences; other sequences vanish.
fn pieces(line: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            let next = rest.chars().next()?;
            if next != '\u{1b}' && next != '\u{9b}' {
                rest = &rest[next.len_utf8()..];
                return Some(Piece::Text(next));
            }
            let after = &rest[next.len_utf8()..];
            let (body, kind) = if next == '\u{9b}' {
                (after, Some('['))
            } else {
                let kind = after.chars().next();
                (&after[kind.map_or(0, char::len_utf8)..], kind)
            };
            match kind {
                Some('[') => {
                    let end = body.find(|c| ('\u{40}'..='\u{7e}').contains(&c));
                    let (parameters, final_byte) = match end {
                        Some(end) => (&body[..end], body.as_bytes().get(end).copied()),
                        None => (body, None),
                    };
                    rest = &body[end.map_or(body.len(), |end| end + 1)..];
                    let plain = |b: u8| b.is_ascii_digit() || b == b';' || b == b':';
                    if final_byte == Some(b'm') && parameters.bytes().all(plain) {
                        return Some(Piece::Graphics(parameters));
                    }
                }
                // Strings (titles, links, device control) end with BEL or ESC \.
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    rest = match body.find(['\u{7}', '\u{1b}', '\u{9c}']) {
                        Some(end) if body[end..].starts_with("\u{1b}\\") => &body[end + 2..],
                        Some(end) if body[end..].starts_with('\u{1b}') => &body[end..],
                        Some(end) => &body[end + body[end..].chars().next().map_or(0, char::len_utf8)..],
                        None => "",
                    };
                }
                // Two-byte sequences, and those with an intermediate byte such as `ESC ( B`.
                Some(' '..='/') => rest = &body[body.chars().next().map_or(0, char::len_utf8)..],
                _ => rest = body,
            }
        }
    })
}

/// Appends one character, escaped or made visible.
fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '\t' => out.push('\t'),
        '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + c as u32)),
        '\u{7f}' => out.push('\u{2421}'),
        // C1 controls, and what reorders or hides text.
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{61c}' => out.push_str(&format!("[U+{:04X}]", c as u32)),
        c => out.push(c),
    }
}

/// One line of a log as HTML.
pub fn line(text: &str) -> Markup {
    let text = text.trim_end_matches(['\n', '\r']);
    // A progress bar writes over itself: only what stands there at the end is shown.
    let text = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("");
    let mut out = String::with_capacity(text.len() + 32);
    let (mut look, mut open, mut shown) = (Look::default(), false, 0_usize);
    for piece in pieces(text) {
        match piece {
            Piece::Graphics(parameters) => {
                let before = look;
                look.follow(parameters);
                if look != before {
                    if open {
                        out.push_str("</span>");
                    }
                    let classes = look.classes();
                    open = !classes.is_empty();
                    if open {
                        out.push_str(&format!("<span class=\"{classes}\">"));
                    }
                }
            }
            Piece::Text(c) => {
                shown += 1;
                if shown > LONGEST {
                    break;
                }
                push(&mut out, c);
            }
        }
    }
    if open {
        out.push_str("</span>");
    }
    if shown > LONGEST {
        out.push_str("<span class=\"sd\"> … the line goes on; the raw text has all of it</span>");
    }
    PreEscaped(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        line(text).into_string()
    }

    #[test]
    fn colours_become_spans() {
        assert_eq!(shown("\u{1b}[32mok\u{1b}[0m done"), "<span class=\"f2\">ok</span> done");
        assert_eq!(shown("\u{1b}[1;91mbad"), "<span class=\"f9 sb\">bad</span>");
        assert_eq!(shown("\u{1b}[38;5;196mred\u{1b}[m!"), "<span class=\"f9\">red</span>!");
        assert_eq!(shown("\u{1b}[48;2;0;0;250mx"), "<span class=\"k4\">x</span>");
        assert_eq!(shown("\u{1b}[7mx\u{1b}[27my"), "<span class=\"sv\">x</span>y");
    }

    #[test]
    fn other_sequences_vanish() {
        assert_eq!(shown("a\u{1b}[2Kb\u{1b}[1;1Hc"), "abc");
        assert_eq!(shown("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(
            shown("\u{1b}]8;;javascript:alert(1)\u{1b}\\link\u{1b}]8;;\u{1b}\\"),
            "link"
        );
        assert_eq!(shown("\u{1b}(Bx"), "x");
        assert_eq!(shown("tail \u{1b}["), "tail ");
        assert_eq!(shown("tail \u{1b}"), "tail ");
        assert_eq!(shown("\u{1b}]never ends"), "");
    }

    #[test]
    fn nothing_in_a_sequence_reaches_the_html() {
        assert_eq!(shown("\u{1b}[31\" onclick=x;m>"), "nclick=x;m&gt;");
        assert_eq!(shown("\u{1b}[<script>m"), "cript&gt;m");
    }

    #[test]
    fn controls_and_reordering_are_made_visible() {
        assert_eq!(shown("a\u{0}b\u{8}c\u{7f}"), "a␀b␈c␡");
        assert_eq!(shown("x\u{202e}y"), "x[U+202E]y");
    }

    #[test]
    fn a_line_that_writes_over_itself_shows_the_end() {
        assert_eq!(shown("10 %\r50 %\r100 %\r\n"), "100 %");
    }

    #[test]
    fn a_very_long_line_is_cut_and_says_so() {
        let html = shown(&"x".repeat(10_000));
        assert!(html.len() < 9_000);
        assert!(html.contains("the line goes on"));
    }
}
