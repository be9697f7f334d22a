//! What is done to each request on its way to the daemon, and to its answer.

use super::{broken::LastTrouble, connector::Connector};
use crate::endpoint::{Address, ApiVersion, Endpoint, bracketed};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, errors::Error as DockerError};
use hyper::{
    HeaderMap, Uri,
    header::{HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use pgbackup_engine::error::{Error, Result};
use std::{
    error::{self, Error as _},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long the daemon may take to begin an answer.
const ANSWER_SECONDS: u64 = 120;

/// How long a connection over a network is kept for the next request. Source: docker's client.
const IDLE: Duration = Duration::from_secs(30);

/// Connections that are kept: one for each request that is under way at once.
const KEPT: usize = AT_ONCE_BY_SSH;

/// Requests that wait for their answers at the same time.
const AT_ONCE: usize = 64;

/// The same through ssh, where each can mean a login: from ten on at once, sshd turns some away.
/// Source: sshd_config(5), `MaxStartups`.
const AT_ONCE_BY_SSH: usize = 4;

/// Where a request that tells of versions goes, and the only one without a version in its path.
const PING: &str = "/_ping";

/// The header by which the daemon tells its version. Source: Docker Engine API, `GET /_ping`.
const API_VERSION: &str = "api-version";

/// What the requests to one daemon have in common.
pub struct Channel {
    base: String,
    headers: HeaderMap,
    /// Spoken from now on; nothing before the daemon has told its own.
    spoken: Mutex<Option<ApiVersion>>,
    /// What the daemon told.
    told: Mutex<Option<ApiVersion>>,
    at_once: Semaphore,
}

/// Makes a client of the daemon at `endpoint`. Nothing is connected before its first request.
///
/// # Errors
///
/// When a file for TLS or a header cannot be used.
pub fn connect(endpoint: &Endpoint) -> Result<(Docker, Arc<Channel>)> {
    let trouble = LastTrouble::default();
    let connector = Connector::new(&endpoint.address, trouble.clone())?;
    let mut builder = Client::builder(TokioExecutor::new());
    let (base, host, at_once) = match &endpoint.address {
        // A socket costs nothing, so nothing is kept that could be stale.
        Address::Unix(_) => (String::new(), "localhost".to_owned(), AT_ONCE),
        Address::Tcp(tcp) => (tcp.base.clone(), format!("{}:{}", bracketed(&tcp.host), tcp.port), AT_ONCE),
        Address::Ssh(_) => (String::new(), "localhost".to_owned(), AT_ONCE_BY_SSH),
    };
    let kept = if endpoint.address.socket().is_some() { 0 } else { KEPT };
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(kept);
    let client = builder.build(connector);
    let channel = Arc::new(Channel {
        base,
        headers: headers(endpoint)?,
        spoken: Mutex::new(endpoint.api_version),
        told: Mutex::default(),
        at_once: Semaphore::new(at_once),
    });
    let shared = Arc::clone(&channel);
    let transport = move |request: BollardRequest| {
        let (client, channel, trouble) = (client.clone(), Arc::clone(&shared), trouble.clone());
        async move {
            let request = channel.address(request)?;
            let asks = request.uri().path().ends_with(PING);
            let permit = channel.at_once.acquire().await;
            let answer = client.request(request).await;
            drop(permit);
            // Of an earlier connection, if there is an answer; of this one, if it says nothing better.
            let answer = match (answer, trouble.take()) {
                (Ok(answer), _) => answer,
                (Err(error), Some(broken)) if error.source().is_none_or(says_nothing) => {
                    return Err(DockerError::IOError { err: broken.into() });
                }
                (Err(error), _) => return Err(error.into()),
            };
            if asks {
                channel.listen(answer.headers());
            }
            Ok::<_, DockerError>(answer)
        }
    };
    let docker = Docker::connect_with_custom_transport(
        transport,
        Some(format!("http://{host}")),
        ANSWER_SECONDS,
        API_DEFAULT_VERSION,
    );
    let docker = docker.map_err(|error| {
        Error::failed(format!("cannot use the Docker endpoint `{}`", endpoint.address)).caused_by(error)
    })?;
    Ok((docker, channel))
}

/// Whether the HTTP client's error has no cause but its own.
fn says_nothing(error: &(dyn error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_none() && error.source().is_none_or(says_nothing)
}

impl Channel {
    /// Returns the version of the API that the daemon said it speaks, once it was asked by a ping.
    pub fn told(&self) -> Option<ApiVersion> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles on the older of the daemon's version and ours, unless the user has chosen one.
    fn listen(&self, answer: &HeaderMap) {
        let told = answer.get(API_VERSION).and_then(|value| value.to_str().ok()).and_then(ApiVersion::parse);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        let ours = ApiVersion {
            major: API_DEFAULT_VERSION.major_version as u32,
            minor: API_DEFAULT_VERSION.minor_version as u32,
        };
        if let Some(told) = told {
            self.spoken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(told.min(ours));
        }
    }

    /// Puts the version in front of the path, and the headers in front of the rest.
    fn address(&self, mut request: BollardRequest) -> Result<BollardRequest, DockerError> {
        let spoken = *self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        *request.uri_mut() = located(request.uri(), &self.base, spoken)?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// The address of a request below `base`, for the version of the API that is spoken.
fn located(uri: &Uri, base: &str, spoken: Option<ApiVersion>) -> Result<Uri, DockerError> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let located = match spoken.filter(|_| uri.path() != PING) {
        Some(version) => format!("{base}/v{version}{path}"),
        None => format!("{base}{path}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(located)?);
    Ok(Uri::from_parts(parts)?)
}

fn headers(endpoint: &Endpoint) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in endpoint.headers.iter() {
        let made = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
        let (name, mut value) = made.ok_or_else(|| {
            Error::failed(format!("the header `{}` cannot be sent to Docker", name.escape_debug()))
                .caused_by("its name or its value holds what no header can")
                .hint("see `DOCKER_CUSTOM_HEADERS`, or `HttpHeaders` in Docker's `config.json`")
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_the_version_that_is_spoken_and_what_stands_in_front_of_all() {
        let uri: Uri = "http://localhost/containers/json?all=1".parse().unwrap();
        let ping: Uri = "http://localhost/_ping".parse().unwrap();
        let spoken = Some(ApiVersion { major: 1, minor: 41 });
        let text = |uri, base, spoken| located(uri, base, spoken).unwrap().to_string();
        assert_eq!(text(&uri, "", None), "http://localhost/containers/json?all=1");
        assert_eq!(text(&uri, "", spoken), "http://localhost/v1.41/containers/json?all=1");
        assert_eq!(text(&uri, "/x", spoken), "http://localhost/x/v1.41/containers/json?all=1");
        assert_eq!(text(&ping, "/x", spoken), "http://localhost/x/_ping");
    }

    #[test]
    fn the_older_version_is_spoken_unless_the_user_chose_one() {
        let version = |minor| ApiVersion { major: 1, minor };
        let after = |chosen, told: &'static str| {
            let channel = Channel {
                base: String::new(),
                headers: HeaderMap::new(),
                spoken: Mutex::new(chosen),
                told: Mutex::default(),
                at_once: Semaphore::new(1),
            };
            channel.listen(&HeaderMap::from_iter([(
                HeaderName::from_static(API_VERSION),
                HeaderValue::from_static(told),
            )]));
            *channel.spoken.lock().unwrap()
        };
        assert_eq!(after(None, "1.41"), Some(version(41)));
        assert_eq!(after(None, "1.99"), Some(version(API_DEFAULT_VERSION.minor_version as u32)));
        assert_eq!(after(Some(version(40)), "1.41"), Some(version(40)));
        assert_eq!(after(None, "new"), None);
    }
}
