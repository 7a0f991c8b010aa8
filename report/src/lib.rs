//! Redact, batch, spool, sign, send.
