//! What a git client asks for.

use facts::ComponentName;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Reads: clone and fetch.
    Fetch,
    /// Writes: push.
    Push,
}

/// A request of git's smart HTTP protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRequest {
    /// The repository.
    pub repository: ComponentName,
    /// What it is for.
    pub operation: Operation,
    /// Whether this is the first request of two, which asks for the list of refs.
    pub advertises: bool,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The header `Content-Encoding`: clients may compress.
    pub content_encoding: Option<String>,
    /// The header `Git-Protocol`, such as `version=2`.
    pub protocol: Option<String>,
}

impl GitRequest {
    /// Reads method, path and query. `path` is what follows `/git/`: `TEAM/NAME.git/info/refs`; the
    /// `.git` may be missing. Nothing for what is not the smart protocol, which a server answers with 404.
    pub fn parse(method: &str, path: &str, query: &str) -> Option<Self> {
        let (team, rest) = path.trim_start_matches('/').split_once('/')?;
        let (short, tail) = rest.split_once('/')?;
        let short = short.strip_suffix(".git").unwrap_or(short);
        let repository = ComponentName::new(format!("{team}/{short}")).ok()?;
        let (operation, advertises) = match (method, tail) {
            ("GET", "info/refs") => match query {
                "service=git-upload-pack" => (Operation::Fetch, true),
                "service=git-receive-pack" => (Operation::Push, true),
                _ => return None,
            },
            ("POST", "git-upload-pack") => (Operation::Fetch, false),
            ("POST", "git-receive-pack") => (Operation::Push, false),
            _ => return None,
        };
        Some(Self {
            repository,
            operation,
            advertises,
            content_type: None,
            content_encoding: None,
            protocol: None,
        })
    }

    /// The same with the headers that git's program needs. What does not look as git sends it is left out.
    #[must_use]
    pub fn with_headers(
        mut self,
        content_type: Option<&str>,
        content_encoding: Option<&str>,
        protocol: Option<&str>,
    ) -> Self {
        let plain =
            |text: &str| (text.len() <= 200 && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned());
        self.content_type = content_type.and_then(plain);
        self.content_encoding = content_encoding.and_then(plain);
        self.protocol = protocol.and_then(plain);
        self
    }

    pub(super) fn service(&self) -> &'static str {
        match self.operation {
            Operation::Fetch => "git-upload-pack",
            Operation::Push => "git-receive-pack",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_requests_of_the_smart_protocol_are_read_and_no_others() {
        let read = |method, path, query| {
            GitRequest::parse(method, path, query).map(|r| (r.repository.to_string(), r.operation, r.advertises))
        };
        let name = || "shop/cart".to_owned();
        let cases = [
            (
                ("GET", "shop/cart.git/info/refs", "service=git-upload-pack"),
                Operation::Fetch,
                true,
            ),
            (
                ("GET", "shop/cart/info/refs", "service=git-receive-pack"),
                Operation::Push,
                true,
            ),
            (("POST", "/shop/cart.git/git-upload-pack", ""), Operation::Fetch, false),
            (("POST", "shop/cart.git/git-receive-pack", ""), Operation::Push, false),
        ];
        for ((method, path, query), operation, advertises) in cases {
            assert_eq!(read(method, path, query), Some((name(), operation, advertises)));
        }
        for (method, path, query) in [
            ("GET", "shop/cart.git/info/refs", ""),
            ("GET", "shop/cart.git/info/refs", "service=git-upload-archive"),
            ("GET", "shop/cart.git/HEAD", ""),
            ("GET", "shop/cart.git/objects/info/packs", ""),
            ("GET", "shop/cart.git/config", ""),
            ("GET", "shop/cart.git/git-receive-pack", ""),
            ("POST", "../cart.git/git-receive-pack", ""),
            ("POST", "shop/..%2f/git-receive-pack", ""),
            ("POST", "-x/cart/git-receive-pack", ""),
            ("PUT", "shop/cart.git/git-receive-pack", ""),
        ] {
            assert_eq!(read(method, path, query), None, "{method} {path} {query}");
        }
    }
}
