//! A server that speaks the API of S3, as a process of its own.
//!
//! It looks at the keys and at the form of a request, and does not work out signatures anew. That these are right is
//! held by the tests beside the code that signs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bucket::{Bucket, Location, Patience};
use cache::Share;
use facts::SystemClock;

/// The keys that the server knows.
pub const KEYS: &[(&str, &str)] = &[("AWS_ACCESS_KEY_ID", "S3RVER"), ("AWS_SECRET_ACCESS_KEY", "S3RVER")];

/// The server, with an empty bucket called `results`. It ends with the value.
pub struct Server {
    process: Child,
    pub endpoint: String,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one on a free port; `None` where it is not installed.
    #[allow(clippy::disallowed_methods)] // a test that runs somebody else's server
    pub fn start() -> Option<Self> {
        let Some(program) = testkit::tool("s3rver") else {
            testkit::skip(testkit::Need::S3rver, "s3rver is not installed");
            return None;
        };
        let folder = testkit::folder();
        let mut process = Command::new(program)
            .args(["--address", "127.0.0.1", "--port", "0", "--silent"])
            .args(["--configure-bucket", "results", "--directory"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let told = BufReader::new(process.stdout.take().expect("its output"));
        let address = told.lines().map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("S3rver listening on ")?;
            Some(address.to_owned())
        });
        Some(Self {
            process,
            endpoint: format!("http://{}", address.expect("it says where it listens")),
            _folder: folder,
        })
    }

    /// A share in the bucket, under a prefix.
    pub fn share(&self, prefix: &str) -> Arc<dyn Share> {
        let address = format!("s3://results/{prefix}?endpoint={}", self.endpoint);
        Arc::new(open(&address, KEYS, Patience::default()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bucket at an address, with these variables.
pub fn open(address: &str, variables: &[(&str, &str)], patience: Patience) -> Bucket {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let settled = Location::parse(address).unwrap().settle(&variable).unwrap();
    Bucket::open(settled, Arc::new(SystemClock), patience).unwrap()
}
