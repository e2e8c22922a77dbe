//! Settings and where each came from.
//!
//! A setting is looked for in this order: a flag, an environment variable, the settings file, the
//! default. [`TABLE`] is generated from the same declaration as the types, and `docs/settings.md`
//! from it.

mod declare;
pub mod folders;
pub mod resolve;
pub mod value;

pub use declare::{Flags, SettingsFile, TABLE};
pub use resolve::{ClientSettings, Found, Layers, LocalSettings, ServeSettings, SharedResults, Source};

/// One setting, as the documentation lists it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// The flag without its value, where there is one.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: &'static str,
    /// The key in the settings file, where there is one.
    pub key: Option<&'static str>,
    /// What holds when nothing is said.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}
