//! Which requests the load sends: what visitors of a guestbook do.

use facts::Entropy;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use serde_json::json;

/// Who writes. Some names begin with a letter that is longer than a byte.
const NAMES: &[&str] = &[
    "Ada", "Grace", "Linus", "Åsa", "Ken", "Barbara", "Émile", "Dennis", "Margaret", "Øyvind", "Edsger", "Łucja",
    "Radia", "Niklaus", "Frances", "Öykü",
];
const MOODS: &[&str] = &["glad", "curious", "calm"];

/// A request that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    method: Method,
    path: &'static str,
    body: String,
}

impl Planned {
    fn get(path: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: String::new(),
        }
    }

    /// Method and path.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The request to `host`.
    pub fn request(&self, host: &str) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.path)
            .header(header::HOST, host);
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(self.body.clone()));
        request.body(body).map_err(|error| error.to_string())
    }
}

/// Draws the next request: four in ten write, the others read. They are drawn, so that no group of
/// instances gets one kind only.
pub(super) fn choose(entropy: &dyn Entropy) -> Planned {
    let mut drawn = [0; 3];
    entropy.fill(&mut drawn);
    let [kind, name, mood] = drawn.map(usize::from);
    match kind % 10 {
        0..4 => {
            let entry = json!({
                "name": NAMES[name % NAMES.len()],
                "message": "It runs.",
                "mood": MOODS[mood % MOODS.len()],
            });
            Planned {
                method: Method::POST,
                path: "/entries",
                body: entry.to_string(),
            }
        }
        4..9 => Planned::get("/entries"),
        _ => Planned::get("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facts::SystemEntropy;
    use std::collections::BTreeSet;

    #[test]
    fn visitors_read_and_write_and_some_have_names_of_longer_letters() {
        let drawn: Vec<Planned> = (0..2_000).map(|_| choose(&SystemEntropy)).collect();
        let names: BTreeSet<String> = drawn.iter().map(Planned::name).collect();
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["GET /", "GET /entries", "POST /entries"]
        );
        assert!(drawn.iter().any(|one| one.body.contains("Åsa")));
        assert!(drawn.iter().all(|one| one.request("127.0.0.1:1").is_ok()));
    }
}
