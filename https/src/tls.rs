//! The TLS configuration: ring, the web's roots compiled in, and the owner's own authorities beside them.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::SetupError;

/// A configuration that trusts the web's authorities, and those in `authorities` (PEM).
pub(crate) fn config(authorities: Option<&[u8]>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = authorities {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| SetupError::Authorities(error.to_string()))?;
            roots.add(certificate).map_err(|error| SetupError::Authorities(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(SetupError::Authorities("no certificate in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
