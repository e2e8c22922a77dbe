//! The address of a bucket as people write it, and what the usual variables and files add.

use std::path::PathBuf;

use rusty_s3::UrlStyle;
use url::Url;

use crate::credentials::{self, Source};
use crate::error::BucketError;

/// What a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    bucket: String,
    prefix: String,
    endpoint: Option<String>,
    region: Option<String>,
    path_style: Option<bool>,
    profile: Option<String>,
    credentials: Option<String>,
}

/// An address with everything that is needed to ask for something.
#[derive(Debug, Clone)]
pub struct Settled {
    pub(crate) name: String,
    pub(crate) bucket: rusty_s3::Bucket,
    pub(crate) prefix: String,
    pub(crate) credentials: Source,
    /// A file with the certificates that vouch for the endpoint, instead of the public ones.
    pub(crate) roots: Option<PathBuf>,
}

impl Location {
    /// Reads `s3://BUCKET/PREFIX?OPTION=VALUE&…`. Options are `endpoint`, `region`, `style` (`path` or `host`),
    /// `profile` and `credentials` (a file, or `none`).
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BucketError> {
        let shown = text.split('?').next().unwrap_or_default();
        let wrong = |reason: &str| BucketError::Address {
            address: shown.to_owned(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if url.scheme() != "s3" {
            return Err(wrong("it does not begin with s3://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Without the address: it holds what nobody should read.
            return Err(BucketError::Address {
                address: "s3://…".to_owned(),
                reason: "it holds credentials, which do not belong into an address".to_owned(),
            });
        }
        let bucket = url.host_str().ok_or_else(|| wrong("it names no bucket"))?.to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if url.port().is_some() || !bucket.chars().all(plain) {
            return Err(wrong(
                "names of buckets are letters, digits, `-` and `.`; the host goes into the option `endpoint`",
            ));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        if !prefix.chars().all(|c| plain(c) || c == '/') || prefix.contains("//") {
            return Err(wrong("a prefix is made of letters, digits, `-`, `_`, `.` and `/`"));
        }
        let mut location = Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            path_style: None,
            profile: None,
            credentials: None,
        };
        for (option, value) in url.query_pairs() {
            let value = value.into_owned();
            let place = match option.as_ref() {
                "endpoint" => &mut location.endpoint,
                "region" => &mut location.region,
                "profile" => &mut location.profile,
                "credentials" => &mut location.credentials,
                "style" => {
                    location.path_style = Some(match value.as_str() {
                        "path" => true,
                        "host" => false,
                        _ => return Err(wrong("its style is neither `path` nor `host`")),
                    });
                    continue;
                }
                other => return Err(wrong(&format!("there is no option `{other}`"))),
            };
            *place = Some(value).filter(|value| !value.is_empty());
        }
        Ok(location)
    }

    /// The file that is named for the credentials.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        let named = self.credentials.as_deref().filter(|named| *named != "none");
        named.map(PathBuf::from)
    }

    /// Adds what variables and files say where the address does not. `variable` knows the environment.
    ///
    /// # Errors
    /// When a file cannot be read, when there are no credentials, or when it does not make an address.
    pub fn settle(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Settled, BucketError> {
        let name = self.name();
        let home = variable("HOME").map(|home| PathBuf::from(home).join(".aws"));
        let file = |named: &str, usual: &str| {
            let named = variable(named).map(PathBuf::from);
            named.or_else(|| Some(home.as_ref()?.join(usual)).filter(|path| path.exists()))
        };
        let settings = file("AWS_CONFIG_FILE", "config").map(|path| credentials::read(&path));
        let settings = settings.transpose()?.unwrap_or_default();
        let profile = self.profile.clone().or_else(|| variable("AWS_PROFILE"));
        let setting = |name: &str| {
            let profile = profile.as_deref().unwrap_or("default");
            credentials::value(&settings, profile, name).map(str::to_owned)
        };
        let region = self.region.clone();
        let region = region.or_else(|| variable("AWS_REGION"));
        let region = region.or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| setting("region"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = self.endpoint.clone();
        let endpoint = endpoint.or_else(|| variable("AWS_ENDPOINT_URL_S3"));
        let endpoint = endpoint.or_else(|| variable("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.or_else(|| setting("endpoint_url"));
        // Servers of one's own rarely have a name for each bucket; names with dots fit no certificate.
        let usual_style = endpoint.is_some() || self.bucket.contains('.');
        let style = if self.path_style.unwrap_or(usual_style) {
            UrlStyle::Path
        } else {
            UrlStyle::VirtualHost
        };
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let wrong = |reason: String| BucketError::Address {
            address: name.clone(),
            reason: format!("its endpoint `{endpoint}` cannot be used: {reason}"),
        };
        let url = Url::parse(&endpoint).map_err(|error| wrong(error.to_string()))?;
        let bucket = rusty_s3::Bucket::new(url, style, self.bucket.clone(), region);
        let bucket = bucket.map_err(|error| wrong(error.to_string()))?;
        let by_name = |path: PathBuf| Source::File {
            path,
            profile: profile.clone().unwrap_or_else(|| "default".to_owned()),
        };
        let usual_file = || file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let credentials = match (self.credentials.as_deref(), self.profile.is_some()) {
            (Some("none"), _) => Some(Source::Nobody),
            (Some(path), _) => Some(by_name(PathBuf::from(path))),
            // A profile in the address says more than the variables.
            (None, true) => usual_file().map(by_name),
            (None, false) => credentials::from_variables(variable)
                .map(Source::Given)
                .or_else(|| usual_file().map(by_name)),
        };
        let credentials = credentials.ok_or_else(|| BucketError::NoCredentials(name.clone()))?;
        // What is wrong with the keys is told at once.
        credentials.read()?;
        Ok(Settled {
            name,
            bucket,
            prefix: self.prefix,
            credentials,
            roots: variable("AWS_CA_BUNDLE").map(PathBuf::from),
        })
    }

    /// The address without its options.
    fn name(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(address: &str, variables: &[(&str, &str)]) -> Result<Settled, BucketError> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Location::parse(address)?.settle(&variable)
    }

    const KEYS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];

    #[test]
    fn without_options_it_is_the_bucket_of_that_name_at_amazon() {
        let settled = settle("s3://results/team", KEYS).unwrap();
        assert_eq!(
            settled.bucket.base_url().as_str(),
            "https://results.s3.us-east-1.amazonaws.com/"
        );
        assert_eq!(
            (settled.name.as_str(), settled.prefix.as_str()),
            ("s3://results/team", "team")
        );
        let near = [KEYS, &[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "x")]].concat();
        assert_eq!(settle("s3://results", &near).unwrap().bucket.region(), "eu-west-1");
    }

    #[test]
    fn an_endpoint_of_ones_own_has_its_buckets_as_folders_unless_told_otherwise() {
        let own = [KEYS, &[("AWS_ENDPOINT_URL", "http://10.0.0.1:9000")]].concat();
        let base = |address: &str| settle(address, &own).unwrap().bucket.base_url().to_string();
        assert_eq!(base("s3://results"), "http://10.0.0.1:9000/results/");
        assert_eq!(
            base("s3://results?endpoint=https://s3.example.org&style=host"),
            "https://results.s3.example.org/"
        );
        assert_eq!(
            base("s3://results/?endpoint=https://example.org/s3"),
            "https://example.org/s3/results/"
        );
    }

    #[test]
    fn the_files_of_amazons_tools_are_read_by_profile() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(".aws").join(name), text).unwrap();
        write(
            "config",
            "[default]\nregion = eu-north-1\n[profile ci]\nregion = eu-west-3\n",
        );
        write(
            "credentials",
            "[ci]\naws_access_key_id = k\naws_secret_access_key = s\n",
        );
        let home = folder.path().to_str().unwrap();
        let settled = settle("s3://results?profile=ci", &[("HOME", home)]).unwrap();
        assert_eq!(settled.bucket.region(), "eu-west-3");
        assert_eq!(settled.credentials.read().unwrap().unwrap().key(), "k");
        // The profile of the address says more than variables; without one it is the other way around.
        let both = [KEYS, &[("HOME", home), ("AWS_PROFILE", "ci")]].concat();
        assert_eq!(
            settle("s3://r", &both)
                .unwrap()
                .credentials
                .read()
                .unwrap()
                .unwrap()
                .key(),
            "a"
        );
        let named = settle("s3://r?profile=ci", &both).unwrap();
        assert_eq!(named.credentials.read().unwrap().unwrap().key(), "k");
        assert!(matches!(
            settle("s3://r", &[("HOME", home)]),
            Err(BucketError::NoKeys { .. })
        ));
    }

    #[test]
    fn nobody_asks_only_where_that_is_said() {
        assert!(matches!(
            settle("s3://results", &[]),
            Err(BucketError::NoCredentials(_))
        ));
        let open = settle("s3://results?credentials=none", KEYS).unwrap();
        assert_eq!(open.credentials, Source::Nobody);
    }

    #[test]
    fn what_is_no_address_is_refused_and_credentials_in_it_are_not_repeated() {
        for address in [
            "s3://",
            "s3:///prefix",
            "s3://bucket:9000/prefix",
            "s3://bucket/a//b",
            "s3://bucket/a b",
            "s3://bucket?style=odd",
            "s3://bucket?regoin=x",
            "s3://bucket?endpoint=ftp://host",
            "s3://bucket?endpoint=nowhere",
        ] {
            let error = settle(address, KEYS).map(drop).unwrap_err();
            assert!(matches!(error, BucketError::Address { .. }), "{address}: {error}");
            assert!(error.hint().is_some());
        }
        let error = settle("s3://key:hunter2@bucket", KEYS)
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
