//! temporary
use crate::failure::Failure;
use crate::settings::ServeSettings;
use std::path::{Path, PathBuf};
pub(crate) struct Started {
    pub url: String,
    pub data: PathBuf,
    pub first_token: Option<String>,
}
pub(crate) fn serve(_: ServeSettings, _: impl FnOnce(&Started)) -> Result<(), Failure> {
    Ok(())
}
pub(crate) fn proxy(_: &Path) -> i32 {
    0
}
