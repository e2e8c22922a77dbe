//! A bucket as a share: objects read, asked for and written, each by one signed request.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache::{Share, ShareError, Source};
use facts::Clock;
use rusty_s3::{Credentials, S3Action};
use ureq::http::{Response, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

use crate::answer::{Meaning, meaning, on_the_way};
use crate::error::BucketError;
use crate::location::Settled;

/// How long the slowest object may take as a whole.
const WHOLE: Duration = Duration::from_secs(15 * 60);
/// How long a signature is good: a request with a large body begins long before it ends.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// The pauses before a busy bucket is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(150), Duration::from_millis(600)];
/// The largest description of an error that is read.
const LARGEST_ERROR: u64 = 64 << 10;
/// The largest object that one request may write, as S3 sets it.
const LARGEST_OBJECT: u64 = 5 << 30;

/// How long a bucket is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// While its name is looked up, and while a connection is made.
    pub connecting: Duration,
    /// Until an answer begins, and in between while no byte comes or goes.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(5),
            silence: Duration::from_secs(15),
        }
    }
}

/// A bucket that results are shared through.
pub struct Bucket {
    settled: Settled,
    credentials: Mutex<Option<Credentials>>,
    agent: Agent,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.settled.name)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// Makes everything ready. Nothing is asked yet.
    ///
    /// # Errors
    /// When a file with keys or certificates cannot be read.
    pub fn open(settled: Settled, clock: Arc<dyn Clock>, patience: Patience) -> Result<Self, BucketError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("throughline/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.connecting))
            .timeout_connect(Some(patience.connecting))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .timeout_global(Some(WHOLE));
        if is_this_machine(&settled) {
            config = config.proxy(None);
        }
        if let Some(path) = &settled.roots {
            let pem = crate::credentials::read(path)?;
            let none = || BucketError::NoCertificates(path.clone());
            let items = parse_pem(pem.as_bytes()).map(|item| item.map_err(|_| none()));
            let mut certificates = Vec::new();
            for item in items {
                if let PemItem::Certificate(certificate) = item? {
                    certificates.push(certificate);
                }
            }
            if certificates.is_empty() {
                return Err(none());
            }
            let roots = RootCerts::new_with_certs(&certificates);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            credentials: Mutex::new(settled.credentials.read()?),
            settled,
            agent: Agent::new_with_config(config.build()),
            clock,
        })
    }

    fn object(&self, name: &str) -> String {
        match self.settled.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the keys are others now than `refused`: somebody has renewed the file they stand in.
    fn are_new(&self, refused: Option<&Credentials>) -> bool {
        let Ok(now) = self.settled.credentials.read() else {
            return false;
        };
        let new = now.as_ref() != refused;
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = now;
        new
    }

    /// Asks until there is an answer that stands. `ask` sends one request with these keys.
    fn ask(
        &self,
        ask: impl Fn(Option<&Credentials>) -> Result<Response<Body>, ShareError>,
    ) -> Result<Option<Response<Body>>, ShareError> {
        let mut pauses = PAUSES.iter();
        let mut renewed = false;
        loop {
            let credentials = self.credentials();
            let response = ask(credentials.as_ref())?;
            let status = response.status();
            if status.is_success() {
                return Ok(Some(response));
            }
            let region = response.headers().get("x-amz-bucket-region");
            let region = region.and_then(|region| region.to_str().ok()).map(str::to_owned);
            let body = response
                .into_body()
                .into_with_config()
                .limit(LARGEST_ERROR)
                .read_to_string();
            match meaning(status, &body.unwrap_or_default(), region.as_deref()) {
                Meaning::Done | Meaning::Nothing => return Ok(None),
                Meaning::Busy(why) => match pauses.next() {
                    Some(pause) => std::thread::sleep(*pause),
                    None => return Err(ShareError::Away(why)),
                },
                Meaning::Keys(_) if !renewed && self.are_new(credentials.as_ref()) => renewed = true,
                Meaning::Keys(error) | Meaning::Wrong(error) => return Err(error),
            }
        }
    }

    /// The address of a request, signed.
    fn sign<'a>(&self, action: &impl S3Action<'a>) -> String {
        action.sign_with_time(SIGNED_FOR, &self.clock.now()).to_string()
    }
}

impl Share for Bucket {
    fn name(&self) -> String {
        self.settled.name.clone()
    }

    fn read(&self, name: &str, most: u64, into: &mut dyn Write) -> Result<bool, ShareError> {
        let object = self.object(name);
        let response = self.ask(|keys| {
            let url = self.sign(&self.settled.bucket.get_object(keys, &object));
            self.agent.get(url).call().map_err(|error| on_the_way(&error))
        })?;
        let Some(response) = response else { return Ok(false) };
        let mut body = response.into_body().into_with_config().limit(most).reader();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = std::io::Read::read(&mut body, &mut buffer).map_err(|error| {
                let error = ureq::Error::from(error);
                match (on_the_way(&error), matches!(error, ureq::Error::Timeout(_))) {
                    (ShareError::Away(why), false) => ShareError::Failed(why),
                    (error, _) => error,
                }
            })?;
            if length == 0 {
                return Ok(true);
            }
            let written = into.write_all(&buffer[..length]);
            written.map_err(|error| ShareError::Failed(format!("what was read cannot be written here: {error}")))?;
        }
    }

    fn has(&self, name: &str) -> Result<bool, ShareError> {
        let object = self.object(name);
        let response = self.ask(|keys| {
            let url = self.sign(&self.settled.bucket.head_object(keys, &object));
            self.agent.head(url).call().map_err(|error| on_the_way(&error))
        });
        match response {
            Ok(found) => Ok(found.is_some()),
            // An answer without a body does not say why. Writing does.
            Err(ShareError::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, from: Source<'_>) -> Result<(), ShareError> {
        let object = self.object(name);
        let failed = |error: std::io::Error| ShareError::Failed(format!("what is to be sent cannot be read: {error}"));
        let length = match from {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File(path) => path.metadata().map_err(failed)?.len(),
        };
        if length > LARGEST_OBJECT {
            return Err(ShareError::Failed(format!(
                "a file of {} GiB is larger than a bucket takes at once",
                length >> 30
            )));
        }
        let written = self.ask(|keys| {
            let url = self.sign(&self.settled.bucket.put_object(keys, &object));
            let request = self.agent.put(url).header(header::CONTENT_LENGTH, length);
            let sent = match from {
                Source::Bytes(bytes) => request.send(bytes),
                Source::File(path) => {
                    let mut file = File::open(path).map_err(failed)?;
                    request.send(SendBody::from_reader(&mut file))
                }
            };
            sent.map_err(|error| on_the_way(&error))
        })?;
        match written {
            Some(_) => Ok(()),
            None => Err(ShareError::Refused("there is no such bucket".to_owned())),
        }
    }
}

/// Whether the endpoint is on this machine: no proxy leads there.
fn is_this_machine(settled: &Settled) -> bool {
    match settled.bucket.base_url().host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Location;

    /// Signatures that botocore, which is AWS' own, makes of the same requests at the same time.
    #[test]
    fn requests_are_signed_as_amazons_own_client_signs_them() {
        let time = "2026-11-23T12:30:45Z".parse().unwrap();
        let signature = |address: &str, token: Option<&str>, method: &str, name: &str| {
            let variable = |known: &str| match known {
                "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
                "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
                "AWS_SESSION_TOKEN" => token.map(str::to_owned),
                "AWS_REGION" => Some("eu-west-1".to_owned()),
                _ => None,
            };
            let settled = Location::parse(address).unwrap().settle(&variable).unwrap();
            let keys = settled.credentials.read().unwrap();
            let object = format!("{}/{name}", settled.prefix);
            let object = object.trim_start_matches('/');
            let (bucket, keys) = (&settled.bucket, keys.as_ref());
            let url = match method {
                "GET" => bucket.get_object(keys, object).sign_with_time(SIGNED_FOR, &time),
                "HEAD" => bucket.head_object(keys, object).sign_with_time(SIGNED_FOR, &time),
                _ => bucket.put_object(keys, object).sign_with_time(SIGNED_FOR, &time),
            };
            let mut parts = url.query_pairs();
            parts
                .find(|(name, _)| name == "X-Amz-Signature")
                .unwrap()
                .1
                .into_owned()
        };
        assert_eq!(
            signature("s3://results/team", None, "GET", "trusted/blobs/ab/abcd"),
            "f5ea689dbf15b4b4f7ca0d5bd4316d7c2eb27fef75915d6100f081efc95a5e6a"
        );
        let own = "s3://results/team?endpoint=http://127.0.0.1:9000";
        assert_eq!(
            signature(own, Some("TOKEN/+="), "PUT", "local/results/00/00ff"),
            "300c5ef067237656f3c0e2e29fba40dd4ee09ae5162bc90a2d583d78c558d344"
        );
        let below = "s3://results?endpoint=https://example.org/s3";
        assert_eq!(
            signature(below, None, "HEAD", "untrusted/blobs/ff/ffee"),
            "5a73707f49b04c84c463c2773a1b3e0e79d3b497d8f5c210fde2213e865f5a25"
        );
    }
}
