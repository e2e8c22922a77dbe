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
