//! What the load records about each request, and what comes of counting it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The header in which the balancing proxy names the package whose instance it chose.
pub const PACKAGE_HEADER: &str = "throughline-package";

/// One request and how it ended: one line of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was sent, in Unix milliseconds.
    pub at: i64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Method and path.
    pub request: String,
    /// The status of the answer, where one began to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The package that the answer names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Why no whole answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Recorded {
    /// A whole answer came, whatever it says.
    pub fn is_answered(&self) -> bool {
        self.status.is_some() && self.error.is_none()
    }

    /// No whole answer came, or one that is no success: every request of the load is one that a good
    /// service answers with 2xx.
    pub fn is_failed(&self) -> bool {
        !self.is_answered() || !self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// The requests of one package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How many it was chosen for.
    pub sent: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// All requests, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many were sent.
    pub sent: u64,
    /// How many got a whole answer.
    pub answered: u64,
    /// How many got none, or one that is no success.
    pub failed: u64,
    /// By the package that the answer names.
    pub by_package: BTreeMap<String, Count>,
    /// How many failed without an answer that names a package.
    pub unattributed_failed: u64,
}

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, one: &Recorded) {
        let failed = u64::from(one.is_failed());
        self.sent += 1;
        self.answered += u64::from(one.is_answered());
        self.failed += failed;
        match &one.package {
            Some(package) => {
                let count = self.by_package.entry(package.clone()).or_default();
                count.sent += 1;
                count.failed += failed;
            }
            None => self.unattributed_failed += failed,
        }
    }

    /// Counts the lines of a record.
    ///
    /// # Errors
    /// The number of the first line that is none.
    pub fn of_lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Result<Self, usize> {
        let mut totals = Self::default();
        for (index, line) in lines.into_iter().enumerate() {
            let one = serde_json::from_str(line.as_ref()).map_err(|_| index + 1)?;
            totals.add(&one);
        }
        Ok(totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"
{"at":1,"took_us":900,"request":"GET /entries","status":200,"package":"sha256:aa"}
{"at":2,"took_us":900,"request":"POST /entries","status":201,"package":"sha256:bb"}
{"at":3,"took_us":900,"request":"POST /entries","status":502,"package":"sha256:bb"}
{"at":4,"took_us":900,"request":"POST /entries","status":503}
{"at":5,"took_us":900,"request":"GET /","error":"connection refused"}
{"at":6,"took_us":900,"request":"GET /","status":200,"package":"sha256:aa","error":"the answer broke off"}
{"at":7,"took_us":900,"request":"GET /","status":200}
"#;

    #[test]
    fn each_request_is_counted_once_and_for_its_package() {
        let totals = Totals::of_lines(RECORD.trim().lines()).unwrap();
        assert_eq!((totals.sent, totals.answered, totals.failed), (7, 5, 4));
        assert_eq!(totals.by_package["sha256:aa"], Count { sent: 2, failed: 1 });
        assert_eq!(totals.by_package["sha256:bb"], Count { sent: 2, failed: 1 });
        // An answer of the proxy itself without an instance, and no answer at all.
        assert_eq!(totals.unattributed_failed, 2);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert_eq!(
            Totals::of_lines(["{\"at\":1,\"took_us\":2,\"request\":\"GET /\"}", "half a li"]),
            Err(2)
        );
    }
}
