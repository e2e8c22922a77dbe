//! What the answers of a bucket mean.

use cache::ShareError;
use ureq::http::StatusCode;

/// What an answer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It was done.
    Done,
    /// There is no such object.
    Nothing,
    /// It may work if it is asked for once more.
    Busy(String),
    /// The keys are not, or no longer, good.
    Keys(ShareError),
    /// It will not work.
    Wrong(ShareError),
}

/// What the status and the body of an answer mean. The body of an error is a small XML document, which an
/// answer to `HEAD` does not have; `region` is where the bucket says that it is.
pub(crate) fn meaning(status: StatusCode, body: &str, region: Option<&str>) -> Meaning {
    let code = element(body, "Code").unwrap_or_default();
    let said = match (code, element(body, "Message")) {
        ("", _) => format!("it answers {status}"),
        (code, Some(message)) => format!("{code}: {}", message.trim_end_matches('.')),
        (code, None) => code.to_owned(),
    };
    let refused = |text: String| Meaning::Wrong(ShareError::Refused(text));
    match (status.as_u16(), code) {
        (200..=299, _) => Meaning::Done,
        (404, "NoSuchBucket") => refused(said),
        (404, _) => Meaning::Nothing,
        (429 | 500 | 502 | 503 | 504, _) => Meaning::Busy(said),
        (300..=399, _) => refused(match region {
            Some(region) => format!("the bucket is in the region {region}"),
            None => format!("it answers {status}: the bucket is at another endpoint"),
        }),
        (413, _) | (400, "EntityTooLarge") => Meaning::Wrong(ShareError::Failed(said)),
        (403, "AccessDenied") => refused(format!(
            "{said} (s3:ListBucket, s3:GetObject and, to write, s3:PutObject are needed)"
        )),
        (400 | 401 | 403, _) => Meaning::Keys(ShareError::Refused(said)),
        _ => refused(said),
    }
}

/// The text of the first element with this name.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// What an error on the way means.
pub(crate) fn on_the_way(error: &ureq::Error) -> ShareError {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(_) => ShareError::Away("no answer in time".to_owned()),
        ureq::Error::HostNotFound => ShareError::Away("its host is not known".to_owned()),
        ureq::Error::ConnectionFailed => ShareError::Away("no connection".to_owned()),
        ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => {
            ShareError::Away("no answer in time".to_owned())
        }
        ureq::Error::Io(error) => ShareError::Away(error.to_string()),
        ureq::Error::BodyExceedsLimit(most) => ShareError::Larger(*most),
        other => ShareError::Away(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Meaning {
        meaning(StatusCode::from_u16(status).unwrap(), body, None)
    }

    #[test]
    fn answers_mean_what_they_say() {
        let error =
            |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Why.</Message></Error>");
        assert_eq!(of(200, ""), Meaning::Done);
        assert_eq!(of(204, ""), Meaning::Done);
        assert_eq!(of(404, ""), Meaning::Nothing);
        assert_eq!(of(404, &error("NoSuchKey")), Meaning::Nothing);
        assert_eq!(
            of(404, &error("NoSuchBucket")),
            Meaning::Wrong(ShareError::Refused("NoSuchBucket: Why".into()))
        );
        assert_eq!(of(503, &error("SlowDown")), Meaning::Busy("SlowDown: Why".into()));
        assert_eq!(
            of(403, &error("SignatureDoesNotMatch")),
            Meaning::Keys(ShareError::Refused("SignatureDoesNotMatch: Why".into()))
        );
        assert!(
            matches!(of(403, &error("AccessDenied")), Meaning::Wrong(ShareError::Refused(why)) if why.contains("s3:ListBucket"))
        );
        assert!(matches!(of(413, ""), Meaning::Wrong(ShareError::Failed(_))));
    }

    #[test]
    fn a_bucket_elsewhere_says_where() {
        let told = meaning(StatusCode::MOVED_PERMANENTLY, "", Some("eu-west-1"));
        assert!(matches!(told, Meaning::Wrong(ShareError::Refused(why)) if why.contains("eu-west-1")));
    }
}
