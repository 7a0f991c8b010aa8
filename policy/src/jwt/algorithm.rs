//! The algorithms of JSON Web Signatures (RFC 7518, RFC 8037) that are checked. It may not know keys.

use ring::{hmac, signature as ring_signature};

/// An algorithm, by what a token's header may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// What kind of key an algorithm needs. A key serves the algorithms of its family and no other, whatever a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    /// Reads the word, whose letters' case counts.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    pub(super) const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::EdDsa => Family::Ed25519,
        }
    }

    /// The code with a secret, and how long a secret must be at least (RFC 7518, section 3.2: as long as the hash).
    pub(super) fn code(self) -> Option<(hmac::Algorithm, usize)> {
        match self {
            Self::Hs256 => Some((hmac::HMAC_SHA256, 32)),
            Self::Hs384 => Some((hmac::HMAC_SHA384, 48)),
            Self::Hs512 => Some((hmac::HMAC_SHA512, 64)),
            _ => None,
        }
    }

    /// How RSA is used; keys have 2048 bits at least.
    pub(super) fn rsa(self) -> Option<&'static ring_signature::RsaParameters> {
        match self {
            Self::Rs256 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&ring_signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&ring_signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&ring_signature::RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }

    /// How a curve is used.
    pub(super) fn curve(self) -> Option<&'static dyn ring_signature::VerificationAlgorithm> {
        match self {
            Self::Es256 => Some(&ring_signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Some(&ring_signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Some(&ring_signature::ED25519),
            _ => None,
        }
    }
}
