//! Documents as sections: headings and what stands below them, in Markdown, reStructuredText and
//! AsciiDoc.

/// A heading with what follows it up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The title without marks; empty before the first heading.
    pub title: String,
    pub line: u32,
    /// The lines below it that are not blank, code included.
    pub body: String,
}

impl Section {
    /// Words of the body.
    pub fn words(&self) -> usize {
        self.body.split_whitespace().count()
    }
}

/// Cuts a document into sections.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut found = vec![Section {
        title: String::new(),
        line: 1,
        body: String::new(),
    }];
    let mut fenced: Option<&str> = None;
    let all: Vec<(u32, &str)> = crate::reading::lines(text).collect();
    let mut index = 0;
    while index < all.len() {
        let (number, line) = all[index];
        index += 1;
        let trimmed = line.trim();
        if let Some(mark) = fenced {
            if trimmed.starts_with(mark) {
                fenced = None;
            }
            push(&mut found, trimmed);
            continue;
        }
        if let Some(mark) = ["```", "~~~", "----"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark) && (*mark != "----" || trimmed == "----" && is_asciidoc(&all)))
        {
            fenced = Some(mark);
            push(&mut found, trimmed);
            continue;
        }
        let title = heading(trimmed).or_else(|| {
            // A line underlined by one repeated mark.
            let (_, below) = all.get(index)?;
            let below = below.trim();
            let first = below.chars().next()?;
            let underlined = below.len() >= 3
                && "=-~^\"#*+".contains(first)
                && below.chars().all(|letter| letter == first)
                && !trimmed.is_empty()
                && below.chars().count() + 2 >= trimmed.chars().count()
                && !trimmed.starts_with(['|', '-', '*', '=', '>', '+']);
            underlined.then(|| {
                index += 1;
                trimmed
            })
        });
        match title {
            Some(title) => found.push(Section {
                title: title.trim().to_owned(),
                line: number,
                body: String::new(),
            }),
            None => push(&mut found, trimmed),
        }
    }
    found
}

fn push(found: &mut [Section], line: &str) {
    if let Some(section) = found.last_mut()
        && !line.is_empty()
        && section.body.len() < 64 * 1024
    {
        section.body.push_str(line);
        section.body.push('\n');
    }
}

fn is_asciidoc(all: &[(u32, &str)]) -> bool {
    all.iter().take(5).any(|(_, line)| line.starts_with("= "))
}

fn heading(line: &str) -> Option<&str> {
    for mark in ['#', '='] {
        let depth = line.chars().take_while(|letter| *letter == mark).count();
        if (1..=6).contains(&depth)
            && let Some(title) = line[depth..].strip_prefix(' ')
        {
            return Some(title.trim_end_matches(['#', ' ']));
        }
    }
    let small = line.get(..3)?.to_ascii_lowercase();
    if small.starts_with("<h") && small.ends_with(|digit: char| ('1'..='6').contains(&digit)) {
        let inner = line.split_once('>')?.1;
        return Some(inner.split('<').next().unwrap_or(inner));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_three_languages_are_found_and_code_is_not() {
        let text = "# Top\nintro\n```sh\n# not a heading\n```\nSecond\n------\nbody\n== Third\nmore words\n";
        let titles: Vec<String> = sections(text).into_iter().map(|section| section.title).collect();
        assert_eq!(titles, ["", "Top", "Second", "Third"]);
    }

    #[test]
    fn a_section_knows_its_line_and_its_words() {
        let all = sections("a\n\n## Deploy ##\none two\n\nthree\n");
        assert_eq!(all[1].title, "Deploy");
        assert_eq!(all[1].line, 3);
        assert_eq!(all[1].words(), 3);
    }
}
