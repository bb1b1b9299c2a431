//! The one crypto provider: ring.
//!
//! Every TLS configuration here names it itself; the process-wide default is for libraries that ask for
//! one (the HTTP client panics without). Never installs anything else.

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};

/// Makes ring the process-wide default. Call it first in every `main` and every test; calling it again
/// does nothing.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race to another thread is fine: it installed the same provider.
        let _ = ring::default_provider().install_default();
    }
}

/// Ring, shared.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static RING: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    RING.get_or_init(|| Arc::new(ring::default_provider())).clone()
}
