//! Names of variables in texts of the definition, filled in with their values before anything runs.

use std::convert::Infallible;

/// A text names a variable that nothing fills in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing fills in `${0}` here")]
pub(crate) struct FillError(pub String);

/// `text` with each `$NAME` and `${NAME}` replaced by its value. A `$` before anything else stays.
///
/// # Errors
/// The first name without a value.
pub(crate) fn fill<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> Result<String, FillError> {
    let value = |name: &str| value(name).ok_or_else(|| FillError(name.to_owned()));
    replace(text, value)
}

/// The same where every name has a value.
pub(crate) fn fill_all(text: &str, value: impl Fn(&str) -> String) -> String {
    replace(text, |name| Ok::<_, Infallible>(value(name))).unwrap_or_else(|never| match never {})
}

fn replace<S: AsRef<str>, E>(text: &str, value: impl Fn(&str) -> Result<S, E>) -> Result<String, E> {
    let mut full = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        full.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, left) = match after.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, left)) if is_name(name) => (name, left),
                _ => ("", after),
            },
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, left) = after.split_at(end.unwrap_or(after.len()));
                if is_name(name) { (name, left) } else { ("", after) }
            }
        };
        if name.is_empty() {
            full.push('$');
        } else {
            full.push_str(value(name)?.as_ref());
        }
        rest = left;
    }
    full.push_str(rest);
    Ok(full)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_and_other_signs_stay() {
        let value = |name: &str| match name {
            "A" => Some("1"),
            "LONG_NAME" => Some("two"),
            _ => None,
        };
        let filled = |text| fill(text, value);
        assert_eq!(filled("x/$A/${LONG_NAME}y$A").as_deref(), Ok("x/1/twoy1"));
        assert_eq!(filled("$5 $ ${} $-").as_deref(), Ok("$5 $ ${} $-"));
        assert_eq!(filled("é$A").as_deref(), Ok("é1"));
        assert_eq!(filled("$AB"), Err(FillError("AB".to_owned())));
    }
}
