//! The certificate that the server presents, and its key.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::settings::TlsFiles;

/// Why the certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}\nhint: name files that the server's user may read with --tls-certificate and --tls-key", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate\nhint: give the whole chain as PEM, the server's own certificate first (`fullchain.pem`)", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds no key.
    #[error("{} holds no private key\nhint: give the key of the certificate as PEM (`privkey.pem`), without a passphrase", .0.display())]
    NoKey(PathBuf),
    /// The key is of another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The certificate or the key is of a kind that cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What is presented to whoever connects.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    presented: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read or do not belong together.
    pub fn open(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let presented = read(&files, &provider)?;
        if std::fs::metadata(&files.key).is_ok_and(|metadata| metadata.mode() & 0o007 != 0) {
            tracing::warn!(path = %files.key.display(), "every user of this machine may use the key of the certificate; take the rights of others away");
        }
        Ok(Arc::new(Self {
            files,
            provider,
            presented: RwLock::new(Arc::new(presented)),
        }))
    }

    /// The files that are read.
    pub const fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Reads the files again; whether there was another certificate. What cannot be used changes nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read_again(&self) -> Result<bool, TlsError> {
        let read = read(&self.files, &self.provider)?;
        let mut presented = self.presented.write().unwrap_or_else(PoisonError::into_inner);
        let other = presented.cert != read.cert;
        *presented = Arc::new(read);
        Ok(other)
    }

    fn presented(&self) -> Arc<CertifiedKey> {
        self.presented.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first name that the certificate is for, where it is one of a single machine.
    pub fn name(&self) -> Option<String> {
        let presented = self.presented();
        let own = presented.end_entity_cert().ok()?;
        let own = webpki::EndEntityCert::try_from(own).ok()?;
        own.valid_dns_names()
            .find(|name| !name.starts_with('*'))
            .map(str::to_owned)
    }

    /// How connections are negotiated.
    ///
    /// # Errors
    /// When the provider knows no version of TLS.
    pub fn configuration(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut configuration = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(configuration)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.presented())
    }
}

fn read(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let TlsFiles { certificate, key } = files;
    let unusable = |path: &Path, reason: String| TlsError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_slice_iter(&bytes_of(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.clone()));
    }
    let private = PrivateKeyDer::from_pem_slice(&bytes_of(key)?).map_err(|_| TlsError::NoKey(key.clone()))?;
    let private = provider
        .key_provider
        .load_private_key(private)
        .map_err(|error| unusable(key, error.to_string()))?;
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            certificate: certificate.clone(),
            key: key.clone(),
        }),
        Err(error) => Err(unusable(certificate, error.to_string())),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
