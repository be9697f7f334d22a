//! What a server's refusal means, and for whom.
//!
//! No text here holds the address of a request: it carries the request's signature.

use super::address::Address;
use crate::error::{Error, Kind};
use ureq::http::Response;

/// The longest answer to a refused request that is read.
const LONGEST: u64 = 64 << 10;

/// A request that did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The status of the answer; none if there was none.
    status: Option<u16>,
    /// The server's own name of the trouble, such as `NoSuchBucket`.
    code: String,
    text: String,
    /// The region that the bucket is in, if the server told.
    region: Option<String>,
}

impl Failure {
    /// An answer that is no success.
    pub(super) fn refused(mut response: Response<ureq::Body>) -> Self {
        let region = response.headers().get("x-amz-bucket-region");
        let region = region.and_then(|region| region.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        // The status says enough where the rest cannot be read.
        let body = response.body_mut().with_config().limit(LONGEST).lossy_utf8(true).read_to_string();
        Self { region, ..Self::status(status, &body.unwrap_or_default()) }
    }

    /// An answer by its status and its text.
    pub(super) fn status(status: u16, body: &str) -> Self {
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            let (text, _) = rest.split_once(&format!("</{name}>"))?;
            Some(text.chars().filter(|letter| !letter.is_control()).take(300).collect::<String>())
        };
        let code = element("Code").unwrap_or_default();
        let text = match element("Message") {
            Some(message) if !message.is_empty() => format!("status {status}, {code}: {message}"),
            _ if code.is_empty() => format!("status {status}"),
            _ => format!("status {status}, {code}"),
        };
        Self { status: Some(status), code, text, region: None }
    }

    /// No answer, or one that broke off.
    pub(super) fn unreachable(why: &str) -> Self {
        Self { status: None, code: String::new(), text: why.to_owned(), region: None }
    }

    /// An answer that is not what was asked for.
    pub(super) fn odd(what: &str) -> Self {
        Self { status: Some(200), code: "odd".to_owned(), text: what.to_owned(), region: None }
    }

    /// Whether a server answered at all.
    pub(super) fn is_an_answer(&self) -> bool {
        self.status.is_some()
    }

    /// Whether the object is not there; a bucket that is not there is another matter.
    pub(super) fn is_absent(&self) -> bool {
        self.status == Some(404) && self.code != "NoSuchBucket"
    }

    /// Whether the object is not the one that was to be replaced.
    pub(super) fn is_changed(&self) -> bool {
        self.status == Some(412) || self.is_absent()
    }

    /// Whether the server does not know what was asked of it.
    pub(super) fn is_unknown_to_the_server(&self) -> bool {
        self.status == Some(501) || self.code == "NotImplemented"
    }

    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        const PASSING: [&str; 5] =
            ["RequestTimeout", "SlowDown", "BadDigest", "OperationAborted", "IncompleteBody"];
        match self.status {
            None | Some(408 | 425 | 429 | 500 | 502..=504) => true,
            Some(_) => self.code == "odd" || PASSING.contains(&self.code.as_str()),
        }
    }

    /// For people: what failed, why, and what to look at.
    pub(super) fn tell(&self, what: &str, address: &Address) -> Error {
        let error = Error::new(Kind::Failed, what).caused_by(&self.text);
        let endpoint = address.endpoint().as_str().trim_end_matches('/');
        match (self.code.as_str(), self.status) {
            (_, None) => error.hint(format!("does `{endpoint}` answer? then run the command again")),
            ("NoSuchBucket", _) => {
                error.hint(format!("make the bucket `{}` first, or correct its name", address.bucket()))
            }
            (
                "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException",
                _,
            )
            | (_, Some(301 | 307)) => {
                let region = self.region.as_deref().unwrap_or("the bucket's region");
                error.hint(format!("set `AWS_REGION` to {region}"))
            }
            ("RequestTimeTooSkewed", _) => {
                error.hint("the clocks of this machine and of the server differ: set the wrong one")
            }
            ("ExpiredToken" | "InvalidToken", _) => {
                error.hint("get new credentials and run the command again")
            }
            ("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "Forbidden", _)
            | (_, Some(401 | 403)) => error
                .hint(
                    "are `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` or `AWS_PROFILE` those for this place?",
                )
                .hint("the key must be allowed to list the bucket, and to read, write and delete in it"),
            _ => error,
        }
    }
}

/// What `ureq` says, without the address that it may name.
impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        let why = match &error {
            ureq::Error::BadUri(_) => "the address cannot be used".to_owned(),
            other => other.to_string(),
        };
        Self::unreachable(&why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_restarting_server_may_pass_and_a_refusal_may_not() {
        for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (400, "BadDigest"), (429, "")] {
            assert!(Failure::status(status, &format!("<Code>{code}</Code>")).may_pass(), "{status}");
        }
        assert!(Failure::unreachable("connection refused").may_pass());
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (412, "PreconditionFailed")] {
            assert!(!Failure::status(status, &format!("<Code>{code}</Code>")).may_pass(), "{status}");
        }
    }

    #[test]
    fn a_bucket_that_is_not_there_is_not_an_object_that_is_not_there() {
        assert!(Failure::status(404, "<Error><Code>NoSuchKey</Code></Error>").is_absent());
        assert!(Failure::status(404, "").is_absent());
        assert!(!Failure::status(404, "<Error><Code>NoSuchBucket</Code></Error>").is_absent());
    }
}
