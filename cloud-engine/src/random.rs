//! Random bytes from the operating system. Knows nothing else.

use ring::rand::{SecureRandom as _, SystemRandom};

/// Fresh random bytes.
///
/// # Errors
/// When the operating system gives none; nothing that depends on them may go on then.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_unspecified| NoRandom)?;
    Ok(bytes)
}

/// Random hex digits, two for each byte.
///
/// # Errors
/// See [`bytes`].
pub fn hex<const N: usize>() -> Result<String, NoRandom> {
    bytes::<N>().map(|bytes| crate::text::hex(&bytes))
}

/// One random byte for spreading retries, where a weak one does.
#[must_use]
pub fn byte() -> u8 {
    bytes::<1>().map_or(128, |[byte]| byte)
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandom;
