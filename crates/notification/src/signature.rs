//! The signature of a webhook, as the Standard Webhooks specification defines it, so that receivers
//! check it with libraries that exist: <https://www.standardwebhooks.com>.
//!
//! Three headers: `webhook-id` (stable: the same for each attempt), `webhook-timestamp` (seconds since
//! 1970, of the attempt), and `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 over
//! `ID.TIMESTAMP.BODY`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What stands before a secret whose bytes are written in base64.
const PREFIX: &str = "whsec_";

/// The header `webhook-signature`. A secret that begins with `whsec_` is the base64 of the key; any
/// other is the key itself.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let key = key(secret);
    // A key of any length is one.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn key(secret: &str) -> Zeroizing<Vec<u8>> {
    let secret = secret.trim();
    let decoded = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    Zeroizing::new(decoded.unwrap_or_else(|| secret.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_gives_its_signature() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_part_that_is_signed_changes_the_signature() {
        let sign = |secret: &str, id: &str, at, body: &str| super::sign(secret, id, at, body.as_bytes());
        let one = sign("secret", "a", 1, "{}");
        for other in [
            sign("secreu", "a", 1, "{}"),
            sign("secret", "b", 1, "{}"),
            sign("secret", "a", 2, "{}"),
            sign("secret", "a", 1, "{ }"),
        ] {
            assert_ne!(one, other);
        }
    }
}
