//! The formats that files are written in, each as far as it is needed, and none that panics on what
//! it is given.

pub(crate) mod containerfile;
pub(crate) mod groovy;
pub(crate) mod hcl;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod toml;
pub(crate) mod xml;
pub(crate) mod yaml;

/// Why a text could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub line: Option<u32>,
    pub problem: String,
}

#[cfg(test)]
mod tests {
    /// Texts whose nesting would need a deep stack of whoever follows it by calling itself.
    fn deep() -> Vec<String> {
        let mut texts: Vec<String> = ["[", "{", "(", "<a>", "a {\n", "- ", "{a: ", "a=[", "[[a.", "\"${"]
            .iter()
            .map(|part| part.repeat(10_000))
            .collect();
        texts.push((0..1_000).map(|depth| " ".repeat(depth) + "a:\n").collect());
        texts.push((0..1_000).map(|depth| " ".repeat(depth) + "- a\n").collect());
        texts.push(format!("a = {}", "[".repeat(10_000)));
        texts.push(format!("{} = 1", "a.".repeat(10_000) + "a"));
        texts.push(format!("[{}]", "a.".repeat(10_000) + "a"));
        texts
    }

    #[test]
    fn deep_texts_need_no_deep_stack() {
        for text in deep() {
            let _ = super::toml::read(&text);
            super::yaml::read(&text);
            let _ = super::json::read(&text);
            let _ = super::xml::read(&text);
            super::hcl::read(&text);
            super::groovy::read(&text);
            super::markdown::sections(&text);
            super::containerfile::read(&text);
        }
    }
}
