//! The values of settings: read from text the same way wherever the text stands.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A text that is no such value, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {expected}")]
pub struct ValueError {
    text: String,
    what: &'static str,
    expected: &'static str,
}

fn wrong(text: &str, what: &'static str, expected: &'static str) -> ValueError {
    ValueError {
        text: text.chars().take(80).collect(),
        what,
        expected,
    }
}

/// A number and the unit behind it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// A length of time such as `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || {
            wrong(
                text,
                "length of time",
                "a number with `s`, `m`, `h` or `d` is expected, such as `30s`",
            )
        };
        let (number, unit) = number_and_unit(text).ok_or_else(error)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(error()),
        };
        // A century is longer than anything that is meant.
        number
            .checked_mul(seconds)
            .filter(|seconds| (1..=3_155_760_000).contains(seconds))
            .map(Duration::from_secs)
            .map(Self)
            .ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match [(86_400, 'd'), (3_600, 'h'), (60, 'm')]
            .into_iter()
            .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit))
        {
            Some((unit, letter)) => write!(f, "{}{letter}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

/// A number of bytes such as `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || {
            wrong(
                text,
                "size",
                "a number with `KiB`, `MiB`, `GiB` or `B` is expected, such as `512MiB`",
            )
        };
        let (number, unit) = number_and_unit(text).ok_or_else(error)?;
        let bytes = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(error()),
        };
        number
            .checked_mul(bytes)
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(error)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(bits, _)| self.0.is_multiple_of(1 << bits))
        {
            Some((bits, unit)) => write!(f, "{}{unit}", self.0 >> bits),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// How many, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub usize);

impl FromStr for Amount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let number = text.trim().parse().ok().filter(|number| (1..=10_000).contains(number));
        number
            .map(Self)
            .ok_or_else(|| wrong(text, "number", "1 to 10000 is expected"))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// On terminals, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl FromStr for ColorChoice {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(wrong(
                text,
                "choice of colours",
                "`auto`, `always` or `never` is expected",
            )),
        }
    }
}

impl fmt::Display for ColorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

/// Whether steps are isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum IsolationChoice {
    /// A step that cannot be isolated does not run.
    Required,
    /// Where the kernel allows it.
    #[default]
    Available,
    /// No step is isolated.
    Off,
}

impl FromStr for IsolationChoice {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "required" => Ok(Self::Required),
            "available" => Ok(Self::Available),
            "off" => Ok(Self::Off),
            _ => Err(wrong(
                text,
                "choice of isolation",
                "`required`, `available` or `off` is expected",
            )),
        }
    }
}

impl fmt::Display for IsolationChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required",
            Self::Available => "available",
            Self::Off => "off",
        })
    }
}

/// Who runs the containers of steps with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ContainersChoice {
    /// Podman where it works, else Docker.
    #[default]
    Auto,
    /// Podman alone.
    Podman,
    /// Docker alone.
    Docker,
    /// Nobody: such steps fail.
    Off,
}

impl FromStr for ContainersChoice {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "auto" => Ok(Self::Auto),
            "podman" => Ok(Self::Podman),
            "docker" => Ok(Self::Docker),
            "off" => Ok(Self::Off),
            _ => Err(wrong(
                text,
                "choice of who runs containers",
                "`auto`, `podman`, `docker` or `off` is expected",
            )),
        }
    }
}

impl fmt::Display for ContainersChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Off => "off",
        })
    }
}

/// Where results are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareAddress {
    /// A folder.
    Folder(PathBuf),
    /// A bucket that speaks the API of S3, as `s3://BUCKET/PREFIX`.
    S3(String),
}

impl FromStr for ShareAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "a folder is expected, or `s3://BUCKET/PREFIX`";
        match text.split_once("://") {
            Some(("s3", rest)) if !rest.is_empty() => Ok(Self::S3(text.to_owned())),
            Some(_) => Err(wrong(text, "place for shared results", expected)),
            None if text.is_empty() => Err(wrong(text, "place for shared results", expected)),
            None => Ok(Self::Folder(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for ShareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::S3(address) => f.write_str(address),
        }
    }
}

/// What may be done with shared results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AccessChoice {
    /// They are read, and what is made here is added.
    #[default]
    ReadWrite,
    /// They are only read.
    Read,
}

impl FromStr for AccessChoice {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "read-write" => Ok(Self::ReadWrite),
            "read" => Ok(Self::Read),
            _ => Err(wrong(text, "choice of access", "`read-write` or `read` is expected")),
        }
    }
}

impl fmt::Display for AccessChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadWrite => "read-write",
            Self::Read => "read",
        })
    }
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The address of a database, which may hold a password. It is read where it is used, so that no error about
/// it shows what was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(pub String);

impl FromStr for Database {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.parse::<ledger::Address>() {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("(not readable)"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

macro_rules! deserialize_from_text {
    ($($type:ty),+) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

deserialize_from_text!(
    Database,
    Span,
    Size,
    ColorChoice,
    IsolationChoice,
    ContainersChoice,
    ShareAddress,
    AccessChoice
);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer)?
            .to_string()
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_as_they_are_shown() {
        for text in ["45s", "30m", "2h", "14d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["1GiB", "512MiB", "3KiB", "1000B"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["s3://bucket/prefix?region=eu-west-1", "../shared", "/srv/results"] {
            assert_eq!(text.parse::<ShareAddress>().unwrap().to_string(), text);
        }
        for text in ["required", "available", "off"] {
            assert_eq!(text.parse::<IsolationChoice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "s",
            "30",
            "-1s",
            "0s",
            "1y",
            "99999999999999999999d",
            "999999999999d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "MiB", "0", "1MB", "99999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert!("0".parse::<Amount>().is_err());
        assert!("on".parse::<IsolationChoice>().is_err());
        assert!("write".parse::<AccessChoice>().is_err());
        for text in ["", "s3://", "gs://bucket", "https://example.org/bucket"] {
            assert!(text.parse::<ShareAddress>().is_err(), "{text}");
        }
    }
}
