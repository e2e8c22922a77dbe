//! Whether whoever sent a webhook knows its secret.
//!
//! GitHub, Gitea and Forgejo sign the body as it is with HMAC-SHA256; GitLab sends the secret itself. Both are
//! compared by the library's own function, whose time does not depend on where they differ. Nothing of the body is
//! read before.

use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

use crate::host::{Headers, Host};

/// What GitHub writes before the digits of a signature.
const PREFIX: &[u8] = b"sha256=";

/// The request is not said to be by anybody who knows the secret. It does not say which part is wrong: that would
/// help those alone who try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature or token of the webhook is missing or wrong")]
pub struct Refusal;

/// Which host sent this, where the sender knows one of `secrets`.
///
/// # Errors
/// When the request carries no proof, two of one kind, or a wrong one.
pub fn verify(headers: &Headers<'_>, body: &[u8], secrets: &[&[u8]]) -> Result<Host, Refusal> {
    let host = Host::of(headers).ok_or(Refusal)?;
    let carried = host
        .proof_headers()
        .iter()
        .find(|name| headers.has(name))
        .ok_or(Refusal)?;
    let proof = headers.one(carried).ok_or(Refusal)?;
    // Each is compared, so that the time does not say which of them was known.
    let known = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .filter(|secret| match host {
            Host::GitLab => is_token(proof, secret),
            Host::GitHub | Host::Gitea | Host::Forgejo => is_signature(proof, body, secret),
        })
        .count();
    if known > 0 { Ok(host) } else { Err(Refusal) }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    // A key of any length is one.
    #[allow(clippy::expect_used)]
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn is_signature(proof: &[u8], body: &[u8], secret: &[u8]) -> bool {
    let digits = proof.strip_prefix(PREFIX).unwrap_or(proof);
    let Some(signature) = bytes_of(digits) else {
        return false;
    };
    mac(secret).chain_update(body).verify_slice(&signature).is_ok()
}

/// The two are hashed under the same key, so that not even their lengths show in the time.
fn is_token(presented: &[u8], secret: &[u8]) -> bool {
    const KEY: &[u8] = b"a token of a webhook";
    let expected = mac(KEY).chain_update(secret).finalize().into_bytes();
    mac(KEY).chain_update(presented).verify_slice(&expected).is_ok()
}

/// The bytes of a signature that is written as 64 hex digits.
fn bytes_of(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(bytes)
}

/// The signature of `body` as GitHub writes it; what tests and a person's own tools send.
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    let signature = mac(secret).chain_update(body).finalize().into_bytes();
    let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn check(pairs: &[(&str, &str)], body: &[u8], secrets: &[&[u8]]) -> Result<Host, Refusal> {
        let headers: Headers<'_> = pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        verify(&headers, body, secrets)
    }

    #[test]
    fn the_example_that_github_publishes_is_verified() {
        let request = [("x-github-event", "push"), ("x-hub-signature-256", SIGNATURE)];
        assert_eq!(check(&request, BODY, &[SECRET]), Ok(Host::GitHub));
        assert_eq!(sign(SECRET, BODY), SIGNATURE);
    }

    #[test]
    fn gitea_and_forgejo_write_the_digits_alone_and_may_use_the_header_of_github() {
        let digits = SIGNATURE.strip_prefix("sha256=").unwrap();
        for (event, header, value, host) in [
            ("x-gitea-event", "x-gitea-signature", digits, Host::Gitea),
            ("x-gitea-event", "x-hub-signature-256", SIGNATURE, Host::Gitea),
            ("x-forgejo-event", "x-forgejo-signature", digits, Host::Forgejo),
            ("x-forgejo-event", "x-gitea-signature", digits, Host::Forgejo),
            ("x-forgejo-event", "x-hub-signature-256", SIGNATURE, Host::Forgejo),
        ] {
            assert_eq!(
                check(&[(event, "push"), (header, value)], BODY, &[SECRET]),
                Ok(host),
                "{header}"
            );
        }
    }

    #[test]
    fn the_token_of_gitlab_is_the_secret_itself() {
        let request = |token| [("x-gitlab-event", "Push Hook"), ("x-gitlab-token", token)];
        let secret: &[u8] = b"a token of the test";
        assert_eq!(
            check(&request("a token of the test"), BODY, &[secret]),
            Ok(Host::GitLab)
        );
        for wrong in [
            "",
            "a token of the tesT",
            "a token of the tes",
            "a token of the test ",
            "b",
        ] {
            assert_eq!(check(&request(wrong), BODY, &[secret]), Err(Refusal), "{wrong:?}");
        }
        assert_eq!(
            check(&request(""), BODY, &[b""]),
            Err(Refusal),
            "an empty secret is none"
        );
    }

    #[test]
    fn while_a_secret_is_changed_the_old_and_the_new_one_work_and_no_other() {
        let request = [("x-github-event", "push"), ("x-hub-signature-256", SIGNATURE)];
        assert_eq!(check(&request, BODY, &[b"the new one", SECRET]), Ok(Host::GitHub));
        assert_eq!(check(&request, BODY, &[b"the new one", b"another"]), Err(Refusal));
        assert_eq!(check(&request, BODY, &[]), Err(Refusal));
    }

    #[test]
    fn whatever_is_not_the_signature_of_this_body_is_refused() {
        let event = ("x-github-event", "push");
        let digits = SIGNATURE.strip_prefix("sha256=").unwrap();
        let sha1 = format!("sha1={}", &digits[..40]);
        let long = format!("{SIGNATURE}00");
        for wrong in [
            "",
            "sha256=",
            &SIGNATURE[..SIGNATURE.len() - 1],
            &SIGNATURE[..SIGNATURE.len() - 2],
            &long,
            &sha1,
            "sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "sha256=857107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1é",
        ] {
            let request = [event, ("x-hub-signature-256", wrong)];
            assert_eq!(check(&request, BODY, &[SECRET]), Err(Refusal), "{wrong:?}");
        }
        // Missing; twice; that of the old method; of another host, which nobody said it is.
        for request in [
            vec![event],
            vec![
                event,
                ("x-hub-signature-256", SIGNATURE),
                ("x-hub-signature-256", SIGNATURE),
            ],
            vec![event, ("x-hub-signature", SIGNATURE)],
            vec![event, ("x-gitea-signature", digits)],
            vec![("x-hub-signature-256", SIGNATURE)],
            // A wrong one of its own is not saved by a right one that is for others.
            vec![
                ("x-gitea-event", "push"),
                ("x-gitea-signature", "00"),
                ("x-hub-signature-256", SIGNATURE),
            ],
        ] {
            assert_eq!(check(&request, BODY, &[SECRET]), Err(Refusal), "{request:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_body_of_which_one_byte_was_changed_is_refused(
            body in proptest::collection::vec(proptest::num::u8::ANY, 1..300),
            place in proptest::prelude::any::<proptest::sample::Index>(),
            change in 1_u8..,
        ) {
            let signature = sign(SECRET, &body);
            let request = [("x-github-event", "push"), ("x-hub-signature-256", signature.as_str())];
            proptest::prop_assert_eq!(check(&request, &body, &[SECRET]), Ok(Host::GitHub));
            let mut changed = body.clone();
            changed[place.index(body.len())] ^= change;
            proptest::prop_assert_eq!(check(&request, &changed, &[SECRET]), Err(Refusal));
            proptest::prop_assert_eq!(check(&request, &body[1..], &[SECRET]), Err(Refusal));
        }
    }
}
