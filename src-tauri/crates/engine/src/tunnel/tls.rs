//! TLS to TURN servers, as this machine trusts servers.

use std::{io, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Kept: reading the certificates takes a while.
static TLS: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Shakes hands with the server of this name or address.
pub(super) async fn connect(host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let config = TLS.get_or_try_init(|| async { tokio::task::spawn_blocking(config).await.map_err(io::Error::other)? });
    TlsConnector::from(Arc::clone(config.await?)).connect(name, stream).await
}

fn config() -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if trusted == 0 {
        return Err(io::Error::other("this machine trusts no certificates"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
