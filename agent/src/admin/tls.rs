//! PEM files as what a TLS connection needs.
//!
//! In: [`config::Tls`](crate::config::Tls). Out: a `rustls` configuration, for as long as the files do not change. Must not know:
//! connections. The cryptography is ring's.

use std::{path::Path, sync::Arc};

use rustls::{
    Error, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use super::files::{FileError, Source};
use crate::config;

/// Reads the files a first time.
pub(super) fn load(tls: config::Tls) -> Result<Source<ServerConfig>, FileError> {
    let paths = [Some(tls.cert.clone()), Some(tls.key.clone()), tls.client_ca.clone()].into_iter().flatten().collect();
    Source::load("the TLS certificate", paths, Box::new(move |contents| server(&tls, contents)))
}

fn server(tls: &config::Tls, contents: &[Vec<u8>]) -> Result<ServerConfig, FileError> {
    let content = |at: usize| contents.get(at).map(Vec::as_slice).unwrap_or_default();
    let chain = certificates(&tls.cert, content(0))?;
    let key = PrivateKeyDer::from_pem_slice(content(1)).map_err(|error| FileError::Lacks {
        path: tls.key.clone(),
        what: "private key in PEM",
        detail: Some(error.to_string()),
    })?;
    let provider = Arc::new(ring::default_provider());
    let useless = |path: &Path, error: &dyn std::error::Error| FileError::Useless { path: path.to_owned(), detail: error.to_string() };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| useless(&tls.cert, &error))?;
    let builder = match &tls.client_ca {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path, content(2))? {
                roots.add(certificate).map_err(|error| useless(path, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| useless(path, &error))?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| match error {
        Error::InconsistentKeys(_) => FileError::Mismatch { cert: tls.cert.clone(), key: tls.key.clone() },
        error => useless(&tls.cert, &error),
    })?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let lacks = |detail| FileError::Lacks { path: path.to_owned(), what: "certificate in PEM", detail };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| lacks(Some(error.to_string())))?;
    if all.is_empty() { Err(lacks(None)) } else { Ok(all) }
}
