//! Definitions of container images: instructions, stages, base images.

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Its name in capitals.
    pub name: String,
    /// What follows it, continued lines joined.
    pub rest: String,
    pub line: u32,
}

/// One stage: a base and what is done on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The base as it is written, variables with a default filled in.
    pub base: String,
    /// The name others call it by.
    pub name: Option<String>,
    pub line: u32,
    pub instructions: Vec<Instruction>,
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Containerfile {
    pub stages: Vec<Stage>,
}

impl Containerfile {
    /// The bases that come from elsewhere, with their lines: neither earlier stages nor `scratch`.
    pub fn outer_bases(&self) -> Vec<(&str, u32)> {
        let mut found = Vec::new();
        for (index, stage) in self.stages.iter().enumerate() {
            let earlier = self.stages[..index].iter().any(|other| {
                other
                    .name
                    .as_deref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(&stage.base))
            });
            if !earlier && stage.base != "scratch" {
                found.push((stage.base.as_str(), stage.line));
            }
        }
        found
    }

    /// The chain of stages that the last one stands on, last first.
    pub fn final_chain(&self) -> Vec<&Stage> {
        let mut chain: Vec<&Stage> = Vec::new();
        let mut next = self.stages.len().checked_sub(1);
        while let Some(index) = next {
            let stage = &self.stages[index];
            chain.push(stage);
            next = self.stages[..index].iter().rposition(|other| {
                other
                    .name
                    .as_deref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(&stage.base))
            });
        }
        chain
    }
}

/// Whether a base is named by its digest.
pub(crate) fn is_digest(base: &str) -> bool {
    base.rsplit_once("@sha256:")
        .is_some_and(|(_, hex)| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads a text. What is not understood is passed over; a text without a base has no stages.
pub(crate) fn read(text: &str) -> Containerfile {
    let mut stages: Vec<Stage> = Vec::new();
    let mut arguments: Vec<(String, String)> = Vec::new();
    for instruction in instructions(text) {
        match instruction.name.as_str() {
            "FROM" => {
                let words: Vec<&str> = instruction
                    .rest
                    .split_whitespace()
                    .filter(|word| !word.starts_with("--"))
                    .collect();
                let Some(base) = words.first() else { continue };
                let name = words
                    .get(1)
                    .filter(|word| word.eq_ignore_ascii_case("as"))
                    .and_then(|_| words.get(2));
                stages.push(Stage {
                    base: fill(base, &arguments),
                    name: name.map(|name| (*name).to_owned()),
                    line: instruction.line,
                    instructions: Vec::new(),
                });
            }
            "ARG" if stages.is_empty() => {
                if let Some((name, value)) = instruction.rest.split_once('=') {
                    let value = value.trim().trim_matches(['"', '\'']);
                    arguments.push((name.trim().to_owned(), fill(value, &arguments)));
                }
            }
            _ => {
                if let Some(stage) = stages.last_mut() {
                    stage.instructions.push(instruction);
                }
            }
        }
    }
    Containerfile { stages }
}

/// Variables with the defaults that are known.
fn fill(text: &str, arguments: &[(String, String)]) -> String {
    let mut filled = text.trim_matches(['"', '\'']).to_owned();
    for (name, value) in arguments.iter().take(50) {
        filled = filled.replace(&format!("${{{name}}}"), value);
        let bare = format!("${name}");
        if let Some(at) = filled.find(&bare) {
            let after = filled[at + bare.len()..].chars().next();
            if !after.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                filled = filled.replacen(&bare, value, 1);
            }
        }
        if filled.len() > 4_096 {
            break;
        }
    }
    filled
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut lines = crate::reading::lines(text);
    while let Some((number, first)) = lines.next() {
        let first = first.trim();
        if first.is_empty() || first.starts_with('#') {
            continue;
        }
        let mut whole = first.to_owned();
        while whole.ends_with('\\') || whole.ends_with('`') {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            let next = next.trim();
            if next.starts_with('#') || next.is_empty() {
                whole.push('\\');
                continue;
            }
            whole.push(' ');
            whole.push_str(next);
        }
        let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((&whole, ""));
        let name = name.to_ascii_uppercase();
        let heredoc = matches!(name.as_str(), "RUN" | "COPY" | "ADD")
            .then(|| rest.split("<<").nth(1))
            .flatten()
            .map(|mark| {
                mark.trim_start_matches('-')
                    .chars()
                    .filter(|letter| !matches!(letter, '"' | '\''))
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect::<String>()
            })
            .filter(|mark| !mark.is_empty());
        let mut rest = rest.trim().to_owned();
        if let Some(mark) = heredoc {
            for (_, line) in lines.by_ref() {
                if line.trim() == mark {
                    break;
                }
                rest.push('\n');
                rest.push_str(line);
            }
        }
        if name.bytes().all(|byte| byte.is_ascii_uppercase()) {
            found.push(Instruction {
                name,
                rest,
                line: number,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_bases_and_continued_lines_are_read() {
        let file = read(
            "# syntax=docker/dockerfile:1\nARG V=3.20\nFROM --platform=linux/amd64 rust:1 AS build\nRUN a \\\n  # note\n  && b\nFROM alpine:${V}\nCOPY --from=build /x /x\nUSER 1000\n",
        );
        assert_eq!(file.stages.len(), 2);
        assert_eq!(file.stages[1].base, "alpine:3.20");
        assert_eq!(file.outer_bases(), [("rust:1", 3), ("alpine:3.20", 7)]);
        assert!(file.stages[0].instructions[0].rest.contains("&& b"));
        assert_eq!(file.stages[1].instructions[1].name, "USER");
    }

    #[test]
    fn a_stage_on_another_stage_is_followed() {
        let file = read("FROM node:20 AS base\nUSER node\nFROM base AS final\nCMD x\n");
        assert_eq!(file.outer_bases().len(), 1);
        assert_eq!(file.final_chain().len(), 2);
        assert_eq!(read("just text\n").stages.len(), 0);
    }

    #[test]
    fn here_documents_are_part_of_their_instruction() {
        let file = read("FROM a\nRUN <<EOF\nFROM b\nEOF\nUSER x\n");
        assert_eq!(file.stages.len(), 1);
        assert_eq!(file.stages[0].instructions.len(), 2);
    }
}
