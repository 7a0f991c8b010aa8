//! The life of the agent: listen, register, protect, and say at the end what was done.
//!
//! The order matters. The runtime's client gives up after one second, so the port is taken before Lambda may start the
//! runtime, which it does once every extension has registered.

use std::{
    io::Read,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use picket_detection::response::{Credential, OwnCredentials};
use picket_lambda_event::{Hops, Options};
use picket_policy::{
    BlockResponse, Policy,
    canonical::Redaction,
    rates::{KeySecret, Rates},
};
use picket_report::{Redactor, Sealer};
use picket_runtime_proxy::{Inspector, Proxy, ProxyConfig, desk::Desk};
use serde_json::{Value, json};

use crate::{
    answers::Answers,
    cloud::{Cloud, Steering, config::Config, rates::Everywhere},
    counters::Counters,
    guard::{Guard, Parts},
    log::{self, Log},
    metrics::Metrics,
    policies::{Policies, Sources},
    registration,
    settings::{LogLevel, Settings},
};

/// What the agent gets from outside.
pub struct Environment {
    /// Reads an environment variable.
    pub value_of: fn(&str) -> Option<String>,
    /// The name under which to register: the file name of the program.
    pub name: String,
}

/// How long a runtime may take to ask for its first event before the function counts as unprotected: the limit of Init.
const FIRST_NEXT: Duration = Duration::from_secs(10);

/// Lives until Lambda ends the environment.
///
/// `desk` is the one by which the event loop runs, so that the proxy can lay short inspections there.
pub async fn run(environment: Environment, desk: Desk) {
    harden();
    let value_of = environment.value_of;
    let (settings, complaints) = Settings::from_environment(value_of);
    let log = Arc::new(Log::new(settings.log_level, settings.log_format, settings.log_verdicts));
    for complaint in &complaints {
        log.line(LogLevel::Warn, &format!("wrong setting: {complaint}"), &[]);
    }
    let inherited = value_of("AWS_LAMBDA_RUNTIME_API");
    let counters = Arc::new(Counters::default());
    let function = value_of("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let metrics = Arc::new(Metrics::new(settings.metrics, &settings.site, &function));
    let concurrent =
        value_of("AWS_LAMBDA_INITIALIZATION_TYPE").as_deref() == Some("lambda-managed-instances");
    let upstream = settings.upstream.clone().or_else(|| inherited.clone());
    let config = ProxyConfig {
        concurrent,
        inspection_budget: settings.inspect_timeout,
        hold_limit: settings.hold,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..ProxyConfig::new(settings.port, upstream.unwrap_or_default())
    };
    let bound = Proxy::bind(config);
    // The port is taken; what is read now is one file of this machine, and nothing is compiled.
    let for_redactor = settings.clone();
    let policies = Arc::new(Policies::new(
        Sources {
            built_in: policy_of(&settings),
            mode: value_of("PICKET_MODE").and_then(|mode| mode.trim().parse().ok()),
            path: settings.policy.clone(),
            read: Options {
                hops: Hops { trusted: settings.trusted_ranges.clone(), cdn: settings.cdn_ranges.clone() },
            },
            redactor: Box::new(move |policy| redactor_of(&for_redactor, policy)),
        },
        Arc::clone(&log),
    ));
    let rates = Arc::new(Rates::new(KeySecret::new(&rate_secret())));
    let steering = steering_of(&policies, &rates, &settings, function);
    let cloud = cloud_of(&settings, value_of, &log, &counters, steering);
    if let Some(cloud) = &cloud {
        rates.set_beyond(Box::new(Everywhere(Arc::clone(cloud))));
    }
    let guard = Arc::new(Guard::new(Parts {
        policies,
        rates,
        response: settings.response,
        log: Arc::clone(&log),
        counters: Arc::clone(&counters),
        metrics: Arc::clone(&metrics),
        verdict_form: settings.verdict_form,
        answers: Answers::new(
            settings.answers,
            own_credentials(value_of),
            Arc::clone(&log),
            Arc::clone(&counters),
        ),
        tags: settings.tags,
        version: env!("CARGO_PKG_VERSION"),
        cloud: cloud.clone(),
    }));
    let proxy_counters = match bound {
        Ok(proxy) => {
            let counters = proxy.counters();
            let proxy = proxy.by(desk);
            let inspector: Arc<dyn Inspector> = Arc::clone(&guard) as _;
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                if let Err(error) = proxy.serve(inspector).await {
                    log.line(
                        LogLevel::Error,
                        "the proxy could not serve",
                        &[("error", json!(error.to_string()))],
                    );
                }
            });
            Some(counters)
        }
        Err(error) => {
            // The wrapper will not find us on the port and leaves the runtime where it is.
            log.line(
                LogLevel::Error,
                &format!("UNPROTECTED: {error}; the function runs without Picket"),
                &[],
            );
            if let Some(cloud) = &cloud {
                cloud.unprotected();
            }
            None
        }
    };
    let warned = AtomicBool::new(proxy_counters.is_none());
    let warn_unprotected = || {
        if !guard.is_used() && !warned.swap(true, std::sync::atomic::Ordering::Relaxed) {
            let help = "UNPROTECTED: the runtime never asked Picket for an event; is AWS_LAMBDA_EXEC_WRAPPER set to /opt/picket/wrapper?";
            log.line(LogLevel::Warn, help, &[]);
            if let Some(cloud) = &cloud {
                cloud.unprotected();
            }
        }
    };
    let shutdown = {
        let registered = || {
            if let Some(cloud) = &cloud {
                cloud.start();
            }
        };
        let ended = registration::until_shutdown(&environment.name, inherited.is_some(), &log, registered);
        tokio::pin!(ended);
        tokio::select! {
            shutdown = &mut ended => shutdown,
            () = tokio::time::sleep(FIRST_NEXT) => {
                warn_unprotected();
                ended.await
            }
        }
    };
    warn_unprotected();
    log.sum_up(true);
    if let Some(cloud) = &cloud {
        cloud.finish(shutdown.deadline_ms).await;
        counters.dropped.store(cloud.given_up(), std::sync::atomic::Ordering::Relaxed);
    }
    log.metrics(metrics.line(&counters, SystemTime::now(), true));
    let left = shutdown.deadline_ms.saturating_sub(log::now_ms());
    let mut fields: Vec<(&str, Value)> = vec![("reason", json!(shutdown.reason)), ("msLeft", json!(left))];
    fields.extend(counters.entries().into_iter().map(|(name, value)| (name, json!(value))));
    if let Some(counters) = proxy_counters {
        fields.extend(
            counters
                .snapshot()
                .entries()
                .filter(|(_, value)| *value > 0)
                .map(|(name, value)| (name, json!(value))),
        );
    }
    log.line(LogLevel::Info, "done", &fields);
}

fn policy_of(settings: &Settings) -> Policy {
    Policy {
        mode: settings.mode,
        block_on: settings.block_on,
        // The settings have been checked; 406 would stand in for what slipped through.
        response: BlockResponse::new(settings.block_status, settings.block_location.clone())
            .unwrap_or_default(),
        exclusions: settings.exclude.clone(),
        on_failure: settings.on_failure,
        allow_unexamined: !settings.block_unexamined,
        ..Policy::default()
    }
}

/// What is withheld under a policy: what the settings name, and what the policy names.
fn redactor_of(settings: &Settings, policy: &Policy) -> Redactor {
    let redact = &settings.redact;
    let mut parameters: Vec<&str> = redact.parameters.iter().map(String::as_str).collect();
    let mut headers: Vec<&str> = redact.headers.iter().map(String::as_str).collect();
    for redaction in &policy.redactions {
        match redaction {
            Redaction::Parameter(name) => parameters.push(name),
            Redaction::Header(name) | Redaction::ResponseHeader(name) => headers.push(name),
        }
    }
    Redactor::new(parameters, headers)
        .hashing_addresses(settings.hash_addresses.as_ref().map(|key| key.0.as_str()))
}

/// Where the engine's signed policies go.
fn steering_of(
    policies: &Arc<Policies>,
    rates: &Arc<Rates>,
    settings: &Settings,
    function: String,
) -> Steering {
    let (known, taking, running) = (Arc::clone(policies), Arc::clone(policies), Arc::clone(policies));
    let (rates, of) = (Arc::clone(rates), function.clone());
    let site = settings.site.clone();
    Steering {
        version: Box::new(move || known.version()),
        mode: Box::new(move || running.mode(&of)),
        offer: Box::new(move |bundle, key| taking.offer(bundle, &function, &site, key)),
        share: Box::new(move |secret| rates.share(KeySecret::new(secret))),
    }
}

/// The engine's side, where the owner named an engine. It begins once the agent has registered.
fn cloud_of(
    settings: &Settings,
    value_of: fn(&str) -> Option<String>,
    log: &Arc<Log>,
    counters: &Arc<Counters>,
    steering: Steering,
) -> Option<Arc<Cloud>> {
    let config = Config::new(settings, value_of)?;
    let sealer = settings.seal_key.as_deref().map(|key| Sealer::new(key, &settings.site)).and_then(|made| {
        made.inspect_err(|error| {
            log.line(LogLevel::Warn, &format!("PICKET_SEAL_KEY: {error}; nothing is sealed"), &[]);
        })
        .ok()
    });
    let (log, counters) = (Arc::clone(log), Arc::clone(counters));
    Some(Arc::new(Cloud::new(config, sealer, log, counters, Some(steering))))
}

/// Marks of the credentials of the function's role. The texts themselves are dropped.
fn own_credentials(value_of: fn(&str) -> Option<String>) -> OwnCredentials {
    let keys = [
        (Credential::AccessKeyId, "AWS_ACCESS_KEY_ID"),
        (Credential::SecretKey, "AWS_SECRET_ACCESS_KEY"),
        (Credential::SessionToken, "AWS_SESSION_TOKEN"),
    ];
    let texts: Vec<_> = keys.into_iter().filter_map(|(of, key)| Some((of, value_of(key)?))).collect();
    OwnCredentials::new(texts.iter().map(|(of, text)| (*of, text.as_bytes())))
}

/// The secret under which this environment hashes what tells clients apart.
fn rate_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret));
    if read.is_err() {
        // Counts never leave this environment under such a secret, so it only has to differ from others.
        let salt = log::now_ms() ^ u64::from(std::process::id()).rotate_left(32);
        secret[..8].copy_from_slice(&salt.to_le_bytes());
    }
    secret
}

/// Keeps what passes through this process out of core files and panic messages.
fn harden() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // Where the system refuses, core files are as they were; there is nobody to tell yet.
    rustix::process::setrlimit(rustix::process::Resource::Core, none).ok();
    std::panic::set_hook(Box::new(|panic| eprintln!("{}", told_of(panic))));
}

/// What is written of a panic: the place only, because a message may quote what was being read.
fn told_of(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    format!("picket: a fault of ours at {place}; the event goes on without a verdict")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn what_is_written_of_a_panic_quotes_nothing_of_the_request() {
        let (told, usual) = (Arc::new(Mutex::new(Vec::new())), std::panic::take_hook());
        let written = Arc::clone(&told);
        std::panic::set_hook(Box::new(move |panic| written.lock().unwrap().push(told_of(panic))));
        let marker = format!("{}-hunter2", std::process::id());
        let quoting = [
            std::panic::catch_unwind(|| panic!("cannot read {marker}")).is_err(),
            std::panic::catch_unwind(|| marker.parse::<u32>().unwrap()).is_err(),
            std::panic::catch_unwind(|| marker.as_bytes()[..2 * marker.len()].len()).is_err(),
        ];
        std::panic::set_hook(usual);
        assert_eq!(quoting, [true; 3]);
        let told = told.lock().unwrap().join("\n");
        assert!(told.matches("agent.rs").count() >= 3 && !told.contains(&marker), "{told}");
    }
}
