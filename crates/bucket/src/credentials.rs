//! Who asks: keys from variables or from the files that AWS' own tools write.

use std::path::{Path, PathBuf};

use rusty_s3::Credentials;

use crate::error::BucketError;

/// Where the keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// They were in variables.
    Given(Credentials),
    /// They stand in a file, under this profile. Somebody may renew them there.
    File {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
    },
    /// Nobody asks: the bucket is open.
    Nobody,
}

impl Source {
    /// The keys as they are now.
    ///
    /// # Errors
    /// When the file cannot be read or holds none.
    pub fn read(&self) -> Result<Option<Credentials>, BucketError> {
        match self {
            Self::Given(credentials) => Ok(Some(credentials.clone())),
            Self::Nobody => Ok(None),
            Self::File { path, profile } => {
                let text = read(path)?;
                let value = |name: &str| value(&text, profile, name).map(str::to_owned);
                let keys = value("aws_access_key_id").zip(value("aws_secret_access_key"));
                let Some((key, secret)) = keys else {
                    return Err(BucketError::NoKeys {
                        path: path.clone(),
                        profile: profile.clone(),
                    });
                };
                Ok(Some(match value("aws_session_token") {
                    Some(token) => Credentials::new_with_token(key, secret, token),
                    None => Credentials::new(key, secret),
                }))
            }
        }
    }
}

/// The keys that variables hold.
pub(crate) fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let (key, secret) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"))?;
    Some(match variable("AWS_SESSION_TOKEN") {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

pub(crate) fn read(path: &Path) -> Result<String, BucketError> {
    std::fs::read_to_string(path).map_err(|source| BucketError::File {
        path: path.to_owned(),
        source,
    })
}

/// The value of a name in the section of a profile: `[NAME]` in a file of credentials, `[profile NAME]` in one of
/// settings. Lines that are indented belong to a table below a name and are none of ours.
pub(crate) fn value<'a>(text: &'a str, profile: &str, name: &str) -> Option<&'a str> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = trimmed.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            let section = section.strip_prefix("profile ").map_or(section, str::trim);
            inside = section == profile;
        } else if inside
            && !line.starts_with([' ', '\t'])
            && let Some((known, value)) = trimmed.split_once('=')
            && known.trim().eq_ignore_ascii_case(name)
        {
            let value = value.trim();
            let value = value.split(" #").next().unwrap_or(value).trim();
            found = Some(value).filter(|value| !value.is_empty());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# by hand\n[default]\naws_access_key_id = A\naws_secret_access_key=b/c+d=\n\n[profile ci]\nregion = eu-west-1 # near\ns3 =\n  region = wrong\n[ci]\naws_access_key_id = C\naws_secret_access_key = d\naws_session_token = e\n";

    #[test]
    fn profiles_are_told_apart_and_values_may_hold_equals_signs() {
        assert_eq!(value(FILE, "default", "aws_secret_access_key"), Some("b/c+d="));
        assert_eq!(value(FILE, "ci", "aws_access_key_id"), Some("C"));
        assert_eq!(value(FILE, "ci", "region"), Some("eu-west-1"));
        assert_eq!(value(FILE, "default", "region"), None);
        assert_eq!(value(FILE, "other", "region"), None);
    }

    #[test]
    fn a_file_is_read_when_it_is_asked_for_so_that_keys_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let source = Source::File {
            path: path.clone(),
            profile: "ci".into(),
        };
        assert!(matches!(source.read(), Err(BucketError::File { .. })));
        std::fs::write(&path, "[default]\n").unwrap();
        let error = source.read().unwrap_err();
        assert!(error.hint().unwrap().contains("no roles"), "{error}");
        std::fs::write(&path, FILE).unwrap();
        let keys = source.read().unwrap().unwrap();
        assert_eq!((keys.key(), keys.token()), ("C", Some("e")));
        assert!(!format!("{keys:?}").contains("\"d\""), "a secret is never shown");
    }
}
