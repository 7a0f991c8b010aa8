//! `picket policy keygen` and `picket policy sign`: what agents take from the engine is signed by the owner, with a key that the engine never
//! has.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use picket_cloud_protocol::Bundle;
use picket_policy::document::{Date, Duration};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use sha2::{Digest, Sha256};

use super::Loaded;
use crate::{error::CliError, judge::now};

/// How long a bundle is in force where nothing else is said, in days.
const DAYS: u64 = 365;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, as YAML.
    file: PathBuf,
    /// The private key, as `picket policy keygen` writes it.
    #[arg(long)]
    key: PathBuf,
    /// The site that it is for.
    #[arg(long)]
    site: String,
    /// Functions that it is for; `*` stands for any run of characters. All where it is missing.
    #[arg(long = "function", default_value = "*")]
    functions: Vec<String>,
    /// The last day on which it is in force, as 2027-01-31; a year from now where it is missing.
    #[arg(long)]
    expires: Option<Date>,
    /// How long it is in force from now on, as 90m, 12h or 30d; in place of a last day.
    #[arg(long = "for", conflicts_with = "expires")]
    hold: Option<Duration>,
    /// Where to write; `picket.bundle.json` beside the file where it is missing.
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub(crate) fn keygen(output: &Path) -> Result<(), CliError> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| CliError::Refused("the system gives no random bytes".to_owned()))?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
        .map_err(|error| CliError::Refused(format!("no key: {error}")))?;
    let failed = |error| CliError::File { path: output.to_owned(), error };
    // An existing key is never overwritten: bundles signed with it would not be taken any more.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(output).map_err(failed)?;
    writeln!(file, "{}", URL_SAFE_NO_PAD.encode(seed)).map_err(failed)?;
    writeln!(std::io::stdout().lock(), "{}", URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()))?;
    Ok(())
}

pub(crate) fn sign(arguments: &Arguments) -> Result<(), CliError> {
    let loaded = Loaded::read(&arguments.file)?;
    let pair = read_key(&arguments.key)?;
    let now = now();
    let policy = String::from_utf8_lossy(&loaded.canonical.write()).into_owned();
    let expires = match (arguments.expires, arguments.hold) {
        (Some(last), _) => last.end(),
        (None, Some(hold)) => now.saturating_add(hold.seconds()),
        (None, None) => now + DAYS * 86_400,
    };
    let mut bundle = Bundle {
        site: arguments.site.clone(),
        functions: arguments.functions.clone(),
        version: loaded.file.document.version,
        not_before: now,
        expires,
        policy,
        sig: String::new(),
    };
    if bundle.expires <= now {
        return Err(CliError::Refused("the bundle's time is over already".to_owned()));
    }
    let digest: [u8; 32] = Sha256::digest(bundle.policy.as_bytes()).into();
    bundle.sig = URL_SAFE_NO_PAD.encode(pair.sign(bundle.signing_text(&digest).as_bytes()));
    let output =
        arguments.output.clone().unwrap_or_else(|| arguments.file.with_file_name("picket.bundle.json"));
    let text = serde_json::to_vec(&bundle)?;
    fs::write(&output, text).map_err(|error| CliError::File { path: output.clone(), error })?;
    writeln!(
        std::io::stdout().lock(),
        "{}: version {} for {} of {}, signed for {}",
        output.display(),
        bundle.version,
        bundle.functions.join(", "),
        bundle.site,
        URL_SAFE_NO_PAD.encode(pair.public_key().as_ref())
    )?;
    Ok(())
}

fn read_key(path: &Path) -> Result<Ed25519KeyPair, CliError> {
    let text = fs::read_to_string(path).map_err(|error| CliError::File { path: path.to_owned(), error })?;
    let refused =
        || CliError::Refused(format!("{}: this is no key of `picket policy keygen`", path.display()));
    let seed = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| refused())?;
    Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| refused())
}
