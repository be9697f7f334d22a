//! One connection to the daemon, whatever it is made of.

use super::{
    broken::{Broken, LastTrouble},
    ssh, tls,
};
use crate::endpoint::{Address, Ssh, bracketed};
use hyper::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use pgbackup_engine::error::{Context as _, Error, Result};
use std::{
    future::Future,
    io::{self, IoSlice},
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tower_service::Service;

/// How long a port may take to be connected to. Source: docker's client, sockets.ConfigureTransport.
const CONNECT: Duration = Duration::from_secs(30);

/// How long a connection may be silent before the other machine is asked whether it is still
/// there, so that one that vanished is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes connections to one daemon.
#[derive(Clone)]
pub struct Connector {
    way: Way,
    tcp: HttpConnector,
    trouble: LastTrouble,
}

#[derive(Clone)]
enum Way {
    Unix(PathBuf),
    Tcp { uri: Uri, tls: Option<(TlsConnector, ServerName<'static>)> },
    Ssh(Ssh),
}

/// A connection that is open.
pub struct Stream {
    inner: Box<dyn Duplex>,
    trouble: LastTrouble,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connector {
    /// Makes ready to connect to `address`; what its connections break with is kept in `trouble`.
    ///
    /// # Errors
    ///
    /// When TLS cannot be spoken with what it is given, or the host's name cannot be one.
    pub fn new(address: &Address, trouble: LastTrouble) -> Result<Self> {
        let way = match address {
            Address::Unix(path) => Way::Unix(path.clone()),
            Address::Ssh(ssh) => Way::Ssh(ssh.clone()),
            Address::Tcp(tcp) => {
                let bad_name = || Error::failed(format!("`{}` cannot be the name of a host", tcp.host));
                let uri = format!("http://{}:{}", bracketed(&tcp.host), tcp.port);
                let uri = uri.parse().map_err(|error| bad_name().caused_by(error))?;
                let tls = match &tcp.tls {
                    None => None,
                    Some(files) => {
                        let name = ServerName::try_from(tcp.host.clone())
                            .map_err(|error| bad_name().caused_by(error))?;
                        let what = || format!("speak TLS with `{address}`");
                        Some((TlsConnector::from(tls::config(files).context(what())?), name))
                    }
                };
                Way::Tcp { uri, tls }
            }
        };
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        Ok(Self { way, tcp, trouble })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Connects to the one daemon; what the request's address says is for its headers.
    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { way, mut tcp, trouble } = self.clone();
        Box::pin(async move {
            let inner: Box<dyn Duplex> = match way {
                Way::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Way::Ssh(ssh) => Box::new(ssh::dial(&ssh)?),
                Way::Tcp { uri, tls } => {
                    let plain = tcp.call(uri).await.map_err(io::Error::other)?.into_inner();
                    match tls {
                        None => Box::new(plain),
                        Some((tls, name)) => Box::new(tls.connect(name, plain).await?),
                    }
                }
            };
            Ok(TokioIo::new(Stream { inner, trouble }))
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Stream {
    /// Does something with the connection, and keeps what it breaks with.
    fn with<T>(
        &mut self,
        work: impl FnOnce(Pin<&mut Box<dyn Duplex>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        work(Pin::new(&mut self.inner)).map_err(|error| {
            let broken = Broken::from(error);
            self.trouble.keep(broken.clone());
            broken.into()
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|inner| inner.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| inner.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| inner.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| inner.poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| inner.poll_write_vectored(context, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
