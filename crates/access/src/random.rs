//! Random texts that open doors, and their hashes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use facts::Entropy;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 256 random bits behind a prefix that says what it is.
pub(crate) fn text(prefix: &str, entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    entropy.fill(bytes.as_mut_slice());
    let digits = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    Zeroizing::new(format!("{prefix}{}", digits.as_str()))
}

/// The hash under which a random text is stored. With 256 bits of randomness nothing slower is
/// needed: there is no list of likely texts to try.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The part of a hash by which its row is found; the rest is compared in constant time.
pub(crate) fn shelf(hash: &[u8; 32]) -> &[u8] {
    &hash[..8]
}

/// Compares in a time that does not depend on where they differ.
pub(crate) fn same(stored: &[u8], presented: &[u8]) -> bool {
    stored.ct_eq(presented).into()
}
