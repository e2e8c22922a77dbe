//! What a step sees of the machine it runs on: variables, of a fixed list.

use std::collections::BTreeMap;

/// The variables that every step starts with: a fixed list of the server's own.
#[derive(Debug, Clone)]
pub struct StepVariables(BTreeMap<String, String>);

impl StepVariables {
    /// The variables of the server that steps see when they are set. None of them is a secret.
    pub const PASSED: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "LC_ALL",
        "TZ",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "JAVA_HOME",
        "GOPATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "PIP_CERT",
        "NO_PROXY",
        "no_proxy",
    ];

    /// The way out of the machine's network, as package clients know it. An address with a password is not passed:
    /// any step could print it.
    pub const PROXIES: &[&str] = &[
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];

    /// Takes the passed ones from `variable`.
    pub fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let passed = Self::PASSED.iter().filter_map(|name| Some((*name, variable(name)?)));
        let proxies = Self::PROXIES.iter().filter_map(|name| Some((*name, variable(name)?)));
        let open = proxies.filter(|(_, address)| !address.contains('@'));
        Self(
            passed
                .chain(open)
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Those that mean something in a container: what is said of the machine's own folders does not.
    pub(crate) fn in_container(&self) -> BTreeMap<String, String> {
        let means = |name: &str| ["LANG", "LC_ALL", "TZ"].contains(&name);
        let all = self.0.iter().filter(|(name, _)| means(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// All of them.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_passed_and_one_with_a_password_is_not() {
        let set = |name: &str| match name {
            "PATH" => Some("/bin".to_owned()),
            "http_proxy" => Some("http://proxy:3128".to_owned()),
            "HTTPS_PROXY" => Some("http://ada:secret@proxy:3128".to_owned()),
            "NO_PROXY" => Some("localhost,.example.org".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("secret".to_owned()),
            _ => None,
        };
        let variables = StepVariables::from(set);
        let names: Vec<&str> = variables.all().keys().map(String::as_str).collect();
        assert_eq!(names, ["NO_PROXY", "PATH", "http_proxy"]);
        assert!(variables.in_container().is_empty());
    }
}
