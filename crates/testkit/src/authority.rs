//! An authority of a test's own, and the certificates it gives.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

/// An authority that nobody knows but who is given its certificate.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, as PEM.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Certified {
    /// Writes both into `folder`, each whole or not at all, and says where.
    ///
    /// # Panics
    /// When they cannot be written.
    #[allow(clippy::expect_used)] // a test cannot go on
    pub fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let put = |name: &str, text: &str| {
            let (path, fresh) = (folder.join(name), folder.join(format!("{name}.new")));
            std::fs::write(&fresh, text)
                .and_then(|()| std::fs::rename(&fresh, &path))
                .expect("a file that can be written");
            path
        };
        (put("fullchain.pem", &self.certificate), put("privkey.pem", &self.key))
    }
}

#[allow(clippy::expect_used)] // a test cannot go on
impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for names and addresses.
    ///
    /// # Panics
    /// When a name is none.
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.certify_until(names, 2200)
    }

    /// A certificate that ended years ago.
    ///
    /// # Panics
    /// When a name is none.
    pub fn certify_expired(&self, names: &[&str]) -> Certified {
        self.certify_until(names, 2001)
    }

    fn certify_until(&self, names: &[&str], year: i32) -> Certified {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
