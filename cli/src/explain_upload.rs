//! `picket explain-upload`: the bytes that would leave the agent for one event, made by the agent's own code.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::read::GzDecoder;
use picket_cloud_protocol::{Agent, EventAction};
use picket_report::{About, Outbox, Redactor, Sealer};

use crate::{
    error::CliError,
    inspect::read_event,
    verdict::{BlockOn, Inspector, blocks},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// An event as JSON; standard input where it is missing or `-`.
    event: Option<PathBuf>,
    /// Further parameters to redact, as in `PICKET_REDACT`.
    #[arg(long)]
    redact: Vec<String>,
    /// Further headers to redact.
    #[arg(long)]
    redact_header: Vec<String>,
    /// As `PICKET_HASH_ADDRESSES`: addresses leave as digests under this text.
    #[arg(long)]
    hash_addresses: Option<String>,
    /// As `PICKET_SEAL_KEY`: withheld values travel encrypted to this key.
    #[arg(long)]
    seal_key: Option<String>,
    /// As `PICKET_SITE`.
    #[arg(long, default_value = "default")]
    site: String,
    /// Prints the bytes as they are sent, compressed with gzip.
    #[arg(long)]
    gzip: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let event = read_event(arguments.event.as_deref())?;
    let mut inspector = Inspector::new();
    let (outcome, us) = inspector.inspect_event(&event.into());
    let request = &inspector.request;
    let redactor = Redactor::new(
        arguments.redact.iter().map(String::as_str),
        arguments.redact_header.iter().map(String::as_str),
    )
    .hashing_addresses(arguments.hash_addresses.as_deref());
    let sealer = arguments.seal_key.as_deref().map(|key| Sealer::new(key, &arguments.site)).transpose()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let blocked = blocks(&outcome, BlockOn::Certain);
    let about = About {
        at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        action: if blocked { EventAction::Block } else { EventAction::Allow },
        reason: if blocked { "finding" } else { "clean" },
        status: if blocked { 406 } else { 0 },
        request_id: "",
        trace_id: "",
        findings: &outcome.findings,
        raised: &[],
        kept: true,
        sealer: sealer.as_ref(),
    };
    let mut outbox = Outbox::new(Agent { version: env!("CARGO_PKG_VERSION").to_owned(), ..Agent::default() });
    let (client, session) = (redactor.client(request.client.addr), redactor.session(request));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of microseconds")]
    outbox.record(&redactor, &client, session, request, &about, us as u64);
    outbox.close(now.as_secs(), None);
    let parcel = outbox.first().ok_or(CliError::NothingLeaves)?;
    let mut out = std::io::stdout().lock();
    if arguments.gzip {
        out.write_all(&parcel.body)?;
        return Ok(());
    }
    let mut text = Vec::new();
    GzDecoder::new(parcel.body.as_ref()).read_to_end(&mut text)?;
    out.write_all(&text)?;
    writeln!(out)?;
    Ok(())
}
