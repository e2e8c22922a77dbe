//! Which files a package takes: globs become the files they match.

use std::path::Path;

use artifact::RecipeFile;
use globset::{GlobBuilder, GlobMatcher};
use pipeline::plan::PackageFile;

/// Why the files of a package could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// The pattern cannot be read.
    #[error("`{glob}` is no pattern of files: {reason}")]
    Pattern {
        /// The pattern.
        glob: String,
        /// Why not.
        reason: String,
    },
    /// Nothing matches.
    #[error(
        "no file matches `{0}`\nhint: the package is put together after its steps; does one of them make the file?"
    )]
    NoMatch(String),
    /// A folder cannot be read.
    #[error("{path} cannot be read: {source}")]
    Folder {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The files and folders of `workspace` that `files` means, in the order given; those of a glob sorted
/// by path. Links are not followed.
///
/// # Errors
/// When a pattern cannot be read or matches nothing.
pub fn choose(workspace: &Path, files: &[PackageFile]) -> Result<Vec<RecipeFile>, ChooseError> {
    let mut chosen = Vec::new();
    for file in files {
        if !file.from.contains(['*', '?', '[', '{']) {
            chosen.push(RecipeFile {
                from: file.from.clone(),
                to: file.to.clone(),
            });
            continue;
        }
        let glob = GlobBuilder::new(file.from.trim_start_matches("./"))
            .literal_separator(true)
            .build();
        let glob = glob.map_err(|error| ChooseError::Pattern {
            glob: file.from.clone(),
            reason: error.kind().to_string(),
        })?;
        let mut matches = Vec::new();
        walk(workspace, "", &glob.compile_matcher(), &mut matches)?;
        if matches.is_empty() {
            return Err(ChooseError::NoMatch(file.from.clone()));
        }
        matches.sort_unstable();
        let folder = file.to.trim_end_matches('/');
        chosen.extend(matches.into_iter().map(|from| {
            // Without a place of their own, matches keep their paths; with one, they go into it.
            let name = from.rsplit('/').next().unwrap_or(&from).to_owned();
            let to = if folder == "." {
                from.clone()
            } else {
                format!("{folder}/{name}")
            };
            RecipeFile { from, to }
        }));
    }
    Ok(chosen)
}

fn walk(folder: &Path, below: &str, glob: &GlobMatcher, matches: &mut Vec<String>) -> Result<(), ChooseError> {
    let wrong = |source| ChooseError::Folder {
        path: folder.display().to_string(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        if entry.file_type().map_err(wrong)?.is_dir() {
            walk(&entry.path(), &path, glob, matches)?;
        } else if glob.is_match(&path) {
            matches.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a.txt", "web/index.html", "web/style.css", "web/deep/more.css"] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    fn chosen(from: &str, to: &str) -> Vec<(String, String)> {
        let files = [PackageFile {
            from: from.into(),
            to: to.into(),
        }];
        let chosen = choose(workspace().path(), &files).unwrap();
        chosen.into_iter().map(|file| (file.from, file.to)).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect()
    }

    #[test]
    fn a_glob_takes_the_files_it_matches_into_its_folder() {
        assert_eq!(
            chosen("web/*.css", "public"),
            pairs(&[("web/style.css", "public/style.css")])
        );
        assert_eq!(
            chosen("web/**/*.css", "."),
            pairs(&[
                ("web/deep/more.css", "web/deep/more.css"),
                ("web/style.css", "web/style.css")
            ])
        );
    }

    #[test]
    fn a_plain_path_is_taken_as_it_is() {
        assert_eq!(chosen("web", "public"), pairs(&[("web", "public")]));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let files = [PackageFile {
            from: "*.jar".into(),
            to: ".".into(),
        }];
        assert!(
            choose(workspace().path(), &files)
                .unwrap_err()
                .to_string()
                .contains("*.jar")
        );
    }
}
