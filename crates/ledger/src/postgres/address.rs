//! Where a ledger in a PostgreSQL database is: the database, and the schema of its tables in it.

use std::fmt;
use std::str::FromStr;

/// The schema in which the tables stand where the address names none.
const SCHEMA: &str = "throughline";

/// The address of a ledger: that of a database ([`postgresql::Address`]), in which the parameter `schema` says
/// in which schema the tables stand; `throughline` by default.
///
/// Neither its `Display` nor its `Debug` shows the password.
#[derive(Clone)]
pub struct Address {
    pub(super) database: postgresql::Address,
    /// A plain name: it is safe between quotes.
    pub(super) schema: String,
}

/// An address that cannot be used. The text never holds what was given, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// That of the database cannot be.
    #[error(transparent)]
    Database(#[from] postgresql::AddressError),
    /// No schema.
    #[error("`{0}` is no name of a schema: up to 50 lower-case letters, digits and `_` are expected")]
    Schema(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (database, mut own) = postgresql::Address::with_own(text, &["schema"])?;
        let schema = own.remove("schema").unwrap_or_else(|| SCHEMA.to_owned());
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if schema.is_empty() || schema.len() > 50 || !schema.bytes().all(plain) || schema.starts_with("pg_") {
            return Err(AddressError::Schema(schema));
        }
        Ok(Self { database, schema })
    }
}

impl Address {
    /// The address with this password, in the place of the one it has.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self {
            database: self.database.with_password(password),
            ..self
        }
    }

    /// The password, if the address has one: what must be masked wherever texts of others are shown.
    pub fn password(&self) -> Option<String> {
        self.database.password()
    }

    /// The channel on which those who follow hear of commits.
    pub(super) fn channel(&self) -> String {
        format!("throughline.{}", self.schema)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.fmt(f)?;
        if self.schema != SCHEMA {
            write!(f, "?schema={}", self.schema)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_in_which_schema_the_tables_stand() {
        let other: Address = "postgres://robin:old@db.example/delivery?schema=second"
            .parse()
            .unwrap();
        let other = other.with_password("new");
        assert_eq!(
            other.to_string(),
            "postgres://robin@db.example:5432/delivery?schema=second"
        );
        assert_eq!(other.password().as_deref(), Some("new"));
        assert!(!format!("{other:?}").contains("new"), "{other:?}");
        for text in [
            "postgres://a:s3cret@b/c?schema=a%22b",
            "postgres://a:s3cret@b/c?schema=pg_x",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("no name of a schema"), "{error}");
        }
    }
}
