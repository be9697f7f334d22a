//! One request after the other to one bucket, signed, checked, and tried again.
//!
//! What is written carries the MD5 of its bytes, which every server compares before it takes an
//! object; what is read is as long as was asked for, and sealed. Who reads an object that is
//! not there gets none, and not an error.

use super::{
    address::Address, answer::Failure, identity::Settings, patience::Patience, variables::S3Variables,
};
use crate::{
    cancel::Cancel,
    error::{Context, Error, Kind, Result},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};
use rusty_s3::{Bucket, Credentials, S3Action, actions::ListObjectsV2};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// How long a signature counts: a request is signed again each time it is sent.
const SIGNED_FOR: Duration = Duration::from_hours(1);
/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a server may be silent in the middle of a request.
const SILENCE: Duration = Duration::from_secs(40);
/// The largest object that is read whole: restic's index files are a few megabytes.
const LARGEST: u64 = 1 << 30;

/// Speaks with one bucket. Shared by threads.
pub(in crate::repository) struct Client {
    address: Address,
    bucket: Bucket,
    credentials: Credentials,
    agent: Agent,
    patience: Patience,
    /// The last failure that says nothing of what the bucket holds.
    trouble: Mutex<Option<Error>>,
}

/// An object as a listing shows it.
pub(in crate::repository) struct Listed {
    /// Its name below the repository's prefix.
    pub(in crate::repository) name: String,
    pub(super) size: u64,
    /// When it was written, by the server's clock.
    pub(super) modified: Timestamp,
}

/// An object that was read.
pub(in crate::repository) struct Object {
    pub(super) content: Bytes,
    /// What tells this content from another of the same name.
    pub(super) tag: Option<String>,
}

/// Which object may be replaced.
#[derive(Clone, Copy)]
pub(super) enum Replacing<'a> {
    /// Any, or none.
    Any,
    /// The one with this tag, where the server can tell.
    Only(&'a str),
}

impl Client {
    /// Reads the place and who we are; asks the server nothing yet.
    pub(in crate::repository) fn new(place: &str, variables: &S3Variables, cancel: &Cancel) -> Result<Self> {
        let settings = Settings::find(variables)?;
        let address = Address::parse(place, &settings)?;
        let credentials = settings.credentials()?;
        let patience = Patience::new(cancel.clone());
        Self::with(address, &settings, credentials, patience)
    }

    fn with(
        address: Address,
        settings: &Settings,
        credentials: Credentials,
        patience: Patience,
    ) -> Result<Self> {
        let region = settings.region().or_else(|| address.region()).unwrap_or(super::identity::USUAL_REGION);
        let bucket = Bucket::new(
            address.endpoint().clone(),
            address.style(),
            address.bucket().to_owned(),
            region.to_owned(),
        )
        .map_err(|_| Error::failed(format!("`{}` cannot be an address", address.text())))?;
        let certificates = match settings.certificates_file() {
            Some(file) => certificates(file)?,
            None => RootCerts::PlatformVerifier,
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECTING))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .tls_config(TlsConfig::builder().root_certs(certificates).build())
            .user_agent(concat!("pgbackup/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self { address, bucket, credentials, agent, patience, trouble: Mutex::default() })
    }

    pub(in crate::repository) fn address(&self) -> &Address {
        &self.address
    }

    /// The last failure of the server, if there was one. After it, an object that could not be read
    /// is not known to be damaged.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, failure: &Failure, what: &str) -> Error {
        let mut error = failure.tell(what, &self.address);
        if failure.may_pass() && self.patience.is_cancelled() {
            error.kind = Kind::Cancelled;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        error
    }

    /// An object's bytes, or none if it is not there.
    pub(in crate::repository) fn read(&self, name: &str) -> Result<Option<Object>> {
        self.get(name, None)
    }

    /// `length` bytes of an object from `offset` on; fewer where the object ends before.
    pub(super) fn read_part(&self, name: &str, offset: u64, length: u64) -> Result<Option<Bytes>> {
        Ok(self.get(name, Some((offset, length)))?.map(|object| object.content))
    }

    fn get(&self, name: &str, part: Option<(u64, u64)>) -> Result<Option<Object>> {
        let key = self.address.key(name);
        let range = part.map(|(offset, length)| format!("bytes={offset}-{}", (offset + length).max(1) - 1));
        let read = self.patience.until_it_works(|| {
            let action = self.bucket.get_object(Some(&self.credentials), &key);
            let mut request = self.agent.get(action.sign(SIGNED_FOR).as_str());
            if let Some(range) = &range {
                request = request.header("range", range);
            }
            let mut response = taken(request.call()?)?;
            let tag = header(&response, "etag");
            // `bytes 0-99/1234`: of how many bytes this is a part.
            let whole = header(&response, "content-range")
                .and_then(|range| range.rsplit_once('/').and_then(|(_, whole)| whole.parse::<u64>().ok()));
            let content = response.body_mut().with_config().limit(LARGEST).read_to_vec()?;
            let content = Bytes::from(content);
            let announced = header(&response, "content-length").and_then(|length| length.parse().ok());
            if announced.is_some_and(|length: usize| length != content.len()) {
                return Err(Failure::unreachable("the answer ended early"));
            }
            let Some((offset, length)) = part else { return Ok(Object { content, tag }) };
            let Some(whole) = whole else {
                // A server that knows no ranges sends all of it.
                let start = (offset as usize).min(content.len());
                let end = (start + length as usize).min(content.len());
                return Ok(Object { content: content.slice(start..end), tag });
            };
            let expected = whole.saturating_sub(offset).min(length);
            if content.len() as u64 != expected {
                let came = content.len();
                return Err(Failure::odd(&format!("{came} bytes came instead of {expected}")));
            }
            Ok(Object { content, tag })
        });
        match read {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.is_absent() => Ok(None),
            Err(failure) => Err(self.failed(&failure, &format!("read `{name}` from S3"))),
        }
    }

    /// Writes a whole object; `false` if the one to be replaced is not there any more, or is
    /// another.
    pub(super) fn write(&self, name: &str, content: &[u8], replacing: Replacing<'_>) -> Result<bool> {
        let key = self.address.key(name);
        let digest = BASE64.encode(Md5::digest(content));
        let send = |replacing: Replacing<'_>| {
            self.patience.until_it_works(|| {
                let mut action = self.bucket.put_object(Some(&self.credentials), &key);
                action.headers_mut().insert("content-md5", digest.as_str());
                let mut request =
                    self.agent.put(action.sign(SIGNED_FOR).as_str()).header("content-md5", &digest);
                if let Replacing::Only(tag) = replacing {
                    request = request.header("if-match", tag);
                }
                taken(request.send(content)?).map(drop)
            })
        };
        let sent = match (send(replacing), replacing) {
            (Err(failure), Replacing::Only(_)) if failure.is_changed() => return Ok(false),
            // A server without conditional writes.
            (Err(failure), Replacing::Only(_)) if failure.is_unknown_to_the_server() => send(Replacing::Any),
            (sent, _) => sent,
        };
        sent.map_err(|failure| self.failed(&failure, &format!("write `{name}` to S3")))?;
        Ok(true)
    }

    /// Removes an object. One that is not there is as good as removed.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let key = self.address.key(name);
        let removed = self.patience.until_it_works(|| {
            let action = self.bucket.delete_object(Some(&self.credentials), &key);
            taken(self.agent.delete(action.sign(SIGNED_FOR).as_str()).call()?).map(drop)
        });
        match removed {
            Err(failure) if !failure.is_absent() => {
                Err(self.failed(&failure, &format!("remove `{name}` from S3")))
            }
            _ => Ok(()),
        }
    }

    /// All objects below a folder, which ends with a slash; an empty one is the whole repository.
    pub(in crate::repository) fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let what = || format!("list `{folder}` in S3");
        let prefix = self.address.key(folder);
        let above = self.address.key("");
        let mut listed = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self.patience.until_it_works(|| {
                let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
                action.with_prefix(prefix.as_str());
                if let Some(token) = &next {
                    action.with_continuation_token(token.as_str());
                }
                let mut response = taken(self.agent.get(action.sign(SIGNED_FOR).as_str()).call()?)?;
                let text = response.body_mut().with_config().limit(LARGEST).read_to_string()?;
                ListObjectsV2::parse_response(&text)
                    .map_err(|error| Failure::odd(&format!("the list cannot be read: {error}")))
            });
            let page = page.map_err(|failure| self.failed(&failure, &what()))?;
            for object in page.contents {
                let (Some(name), Some(size)) = (object.key.strip_prefix(&above), object.size) else {
                    continue;
                };
                let modified = object.last_modified.as_deref().and_then(|time| time.parse().ok());
                let modified =
                    modified.ok_or_else(|| Error::failed(what()).caused_by("an object in it has no time"))?;
                listed.push(Listed { name: name.to_owned(), size, modified });
            }
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(listed);
            }
        }
    }
}

fn taken(response: Response<Body>) -> Result<Response<Body>, Failure> {
    if response.status().is_success() { Ok(response) } else { Err(Failure::refused(response)) }
}

fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// The certificates in a file of AWS_CA_BUNDLE's kind.
fn certificates(file: &Path) -> Result<RootCerts> {
    let what = || format!("read the certificates in `{}`", file.display());
    let text = std::fs::read(file).context(what())?;
    let found: Vec<Certificate<'static>> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(Error::failed(what()).caused_by("it holds none"));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}
