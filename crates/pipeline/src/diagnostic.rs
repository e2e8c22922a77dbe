//! What is wrong with a file, where, and how to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as it is called in the repository.
    pub file: String,
    /// The line, from 1; 0 where no line of a file is meant.
    pub line: u32,
    /// The column in characters, from 1; 0 where the line as a whole is wrong.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a file and the modules that it uses, in the order of the lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

/// The most things said about one file; after so many no more are looked for.
pub(crate) const MOST: usize = 100;

impl Diagnostics {
    /// `Ok` where nothing is wrong, else what is, in the order of the lines.
    ///
    /// # Errors
    /// When `all` is not empty.
    pub fn none_of(mut all: Vec<Diagnostic>) -> Result<(), Self> {
        if all.is_empty() {
            return Ok(());
        }
        all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        all.dedup();
        all.truncate(MOST);
        Err(Self(all))
    }

    /// The first thing that is wrong.
    pub fn first(&self) -> &Diagnostic {
        &self.0[0]
    }

    /// Each thing that is wrong.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, each) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(each, f)?;
        }
        Ok(())
    }
}
