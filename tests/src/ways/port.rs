//! A port that leads to the daemon's socket, plain or with TLS.

use super::Certificates;
use crate::{command::wait_for, proxy::daemon};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream, UnixStream},
    runtime::{Builder, Runtime},
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

/// A running proxy. It ends, and cuts what goes through it, when it is dropped.
pub struct Port {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    listens: AbortHandle,
    /// Taken when it is dropped.
    tokio: Option<Runtime>,
}

impl Port {
    /// A daemon that listens with `-H tcp://` and nothing else.
    pub fn plain() -> Self {
        Self::start(None)
    }

    /// A daemon that listens with `--tlsverify`.
    pub fn tls(certificates: &Certificates) -> Self {
        Self::start(Some(certificates.acceptor()))
    }

    fn start(tls: Option<TlsAcceptor>) -> Self {
        let tokio = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("tokio starts");
        let listener = tokio.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let opened = Arc::clone(&connections);
        let listens = tokio.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let tls = tls.clone();
                // A connection that breaks is the plugin's to notice.
                let task = tokio::spawn(async move { drop(serve(client, tls).await) });
                opened.lock().unwrap_or_else(PoisonError::into_inner).push(task.abort_handle());
            }
        });
        Self { address, connections, listens: listens.abort_handle(), tokio: Some(tokio) }
    }

    /// Returns the address, as `DOCKER_HOST` holds it.
    pub fn address(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Returns how many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Cuts every connection, as a network that breaks.
    pub fn cut(&self) {
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            connection.abort();
        }
    }

    /// Cuts every connection and takes no more of them, as a network that breaks for good.
    pub fn stop(&self) {
        self.listens.abort();
        wait_for("end of the port", || std::net::TcpStream::connect(self.address).is_err().then_some(()));
        self.cut();
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}

async fn serve(client: TcpStream, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    match tls {
        Some(tls) => match tls.accept(client).into_fallible().await {
            Ok(client) => pass(client).await,
            // What the client has sent is read, or its refusal could be lost with the connection.
            Err((_, mut client)) => copy(&mut client, &mut sink()).await.map(|_| ()),
        },
        None => pass(client).await,
    }
}

/// Passes bytes both ways; the end of one way ends only that way.
async fn pass(mut client: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut daemon = UnixStream::connect(daemon()).await?;
    copy_bidirectional(&mut client, &mut daemon).await.map(|_| ())
}
