//! One HTTPS client for the engine and for AWS: HTTP/1 on rustls with ring, and the roots compiled in.
//!
//! It may not know what is sent, nor read the environment. What it promises: no connection that lay idle is trusted
//! unless its owner asks for that, an answer never grows beyond its cap, nothing lasts longer than its caller allows, and
//! without TLS nothing leaves this machine.

mod client;
mod error;
mod road;
mod smithy;
mod tls;

pub use client::{Client, Limits, Options, PlainHttp};
pub use error::{SendError, SetupError};
