//! An error with all that caused it, on one line.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// `what: because: because`, outermost first, nothing said twice.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in causes(error) {
        // Their text would be the debug form of ours, which comes next.
        if ours_inside(cause).is_some() {
            continue;
        }
        let said = cause.to_string();
        if line.ends_with(&said) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&said);
    }
    line
}

/// The error and all below it. Unlike `source()` alone, it also sees what an I/O error wraps, and our own
/// reasons inside a failed handshake.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| ours_inside(error)).or_else(|| error.source())
    })
}

fn ours_inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => Some(&*other.0),
        Some(_) | None => None,
    }
}
