//! Signatures that others can check without this program.
//!
//! Keys are Ed25519 ([`SigningKey`], [`PublicKey`]), kept and shown in the forms that other programs
//! read: PKCS#8 and SubjectPublicKeyInfo as PEM (RFC 8410). What is signed travels in an [`Envelope`],
//! DSSE version 1, so nothing has to be brought into a canonical form first.
//!
//! What is signed, and which keys are trusted for it, is the business of whoever uses this.

mod envelope;
mod key;

pub use envelope::{Envelope, EnvelopeError, Signature};
pub use key::{KeyError, KeyId, PublicKey, SigningKey};
