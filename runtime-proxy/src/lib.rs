//! The Lambda Runtime API over HTTP.
