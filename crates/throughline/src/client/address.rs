//! Paths of the API with their parameters.

use std::fmt::{self, Write as _};

/// A path and query, each part encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    path: String,
    query: String,
}

impl Address {
    /// `/api/v1/` and the parts; a part may hold anything.
    pub fn of(parts: &[&str]) -> Self {
        let mut path = String::from("/api/v1");
        for part in parts {
            path.push('/');
            encode(part, &mut path);
        }
        Self {
            path,
            query: String::new(),
        }
    }

    /// Adds a parameter, where there is a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<impl fmt::Display>) -> Self {
        if let Some(value) = value {
            self.query.push(if self.query.is_empty() { '?' } else { '&' });
            self.query.push_str(name);
            self.query.push('=');
            encode(&value.to_string(), &mut self.query);
        }
        self
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.query)
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(text: &str, into: &mut String) {
    // Parts that a server, or something before it, would take for "here" and "above".
    if matches!(text, "." | "..") {
        into.push_str(&text.replace('.', "%2E"));
        return;
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_stays_one_part_of_the_path() {
        let address = Address::of(&["components", "shop", "cart", "changes", "release/2.x?a#b"])
            .with("limit", Some(5))
            .with("kind", None::<&str>);
        assert_eq!(
            address.to_string(),
            "/api/v1/components/shop/cart/changes/release%2F2.x%3Fa%23b?limit=5"
        );
        assert_eq!(Address::of(&[".."]).to_string(), "/api/v1/%2E%2E");
    }
}
