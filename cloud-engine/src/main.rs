//! The engine's program: `picket-engine serve` over a SQLite file, or a Lambda function over DynamoDB.
//! The only place that reads the environment, the command line and signals.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use picket_cloud_engine::auth::{Role, public_key};
use picket_cloud_engine::engine::{Clock, Config, Engine};
use picket_cloud_engine::http::{router, serve};
use picket_cloud_engine::lambda;
use picket_cloud_engine::names::Site;
use picket_cloud_engine::notify::{Notifier, Webhooks};
use picket_cloud_engine::random;
use picket_cloud_engine::rotate::{Rotation, SecretsManager, Step};
use picket_cloud_engine::store::Store;
use picket_cloud_engine::store::dynamo::Dynamo;
use picket_cloud_engine::store::sqlite::Sqlite;
use picket_cloud_engine::text::base64;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Threads for what blocks: the store's four readers, and as many for names and files.
const BLOCKING: usize = 8;

type Failure = Box<dyn Error + Send + Sync>;

/// The cloud engine of Picket.
#[derive(Parser)]
#[command(name = "picket-engine", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves agents and administrators, from a SQLite file or a DynamoDB table.
    Serve(Serve),
    /// Writes a consistent copy of the file while it is in use.
    Backup {
        /// The folder that `serve` was given.
        #[arg(long)]
        data: PathBuf,
        /// The file to write, which must not be there.
        #[arg(long)]
        to: PathBuf,
    },
    /// Makes another owner's credential for a site and prints its token once, for whoever lost the first one: being able to write
    /// the engine's data is the right to do so.
    Credential {
        /// The folder that `serve` was given.
        #[arg(long, required_unless_present = "table")]
        data: Option<PathBuf>,
        /// The DynamoDB table that `serve` was given.
        #[arg(long, conflicts_with = "data")]
        table: Option<String>,
        /// The site.
        #[arg(long, default_value = "main")]
        site: String,
    },
    /// Makes a site in a DynamoDB table, and prints its agent key and first admin credential once.
    Init {
        /// The table.
        #[arg(long)]
        table: String,
        /// Makes the table where it is missing.
        #[arg(long)]
        create_table: bool,
        #[command(flatten)]
        first: First,
    },
}

#[derive(Args)]
struct Serve {
    /// Where to listen. TLS is the business of whatever stands in front.
    #[arg(long, default_value = "127.0.0.1:7878")]
    listen: SocketAddr,
    /// The folder that holds the SQLite file; it is made where it is missing.
    #[arg(long, required_unless_present = "table")]
    data: Option<PathBuf>,
    /// A DynamoDB table in place of the file, for many machines.
    #[arg(long, conflicts_with = "data")]
    table: Option<String>,
    /// Also tells webhooks on this machine and without TLS, for trials.
    #[arg(long)]
    local_webhooks: bool,
    #[command(flatten)]
    first: First,
}

#[derive(Args)]
struct First {
    /// The site that a first start makes.
    #[arg(long, default_value = "main")]
    site: String,
    /// Where agents find the engine, for the printed key; http and the listener's address where it is not given.
    #[arg(long)]
    url: Option<String>,
    /// What the engine calls itself in signatures.
    #[arg(long, default_value = "picket-engine")]
    audience: String,
    /// The public key (base64url) that the site's policies are signed with. Without it a pair is made, and the private one
    /// printed once.
    #[arg(long)]
    policy_public_key: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "this is the program that reads its environment")]
fn main() -> ExitCode {
    let told = std::env::var_os("PICKET_ENGINE_LOG").is_some();
    let level =
        if told { tracing_subscriber::EnvFilter::from_env("PICKET_ENGINE_LOG") } else { "info".into() };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .init();
    // Blocking threads serve the store's readers and look up names. Each has memory of its own in the allocator, so there are few.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING).build();
    let done = runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(Cli::parse())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "picket-engine ends");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the program that reads its environment")]
async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Some(Command::Serve(serve)) => serve_where(serve).await,
        Some(Command::Backup { data, to }) => backup(&data, &to),
        Some(Command::Credential { data, table, site }) => match (table, data) {
            (Some(table), _) => credential(dynamo(&table).await?, &site).await,
            (None, Some(data)) => credential(Sqlite::open(&existing(&data)?)?, &site).await,
            (None, None) => Err("a folder is needed: --data".into()),
        },
        Some(Command::Init { table, create_table, first }) => init(&table, create_table, first).await,
        None if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() => {
            if std::env::var_os("PICKET_TASK").is_some_and(|task| task == "rotate") {
                rotate_lambda().await
            } else {
                serve_lambda().await
            }
        }
        None => Err("a command is needed: serve, backup or init".into()),
    }
}

fn database(data: &Path) -> PathBuf {
    data.join("picket.db")
}

/// The database of an engine that has run; a folder that was mistaken is not made one.
fn existing(data: &Path) -> Result<PathBuf, Failure> {
    let file = database(data);
    if file.is_file() { Ok(file) } else { Err(format!("--data: {} is not there", file.display()).into()) }
}

async fn dynamo(table: &str) -> Result<Dynamo, Failure> {
    Ok(Dynamo::new(aws_sdk_dynamodb::Client::new(&aws().await?), table))
}

async fn credential<S: Store>(store: S, site: &str) -> Result<(), Failure> {
    let engine = Engine::new(store, Config::default());
    let wanted = Site::new(site).ok_or("a site is 1 to 48 lower-case letters, digits and dashes")?;
    if !engine.sites().await?.contains(&wanted) {
        return Err(format!("--site: there is no site {site:?} in these data").into());
    }
    let token = engine.create_credential(&wanted, Role::Owner, "recovery", "command line").await?;
    println!("{}", serde_json::json!({ "site": site, "adminToken": token, "note": "shown once" }));
    Ok(())
}

/// The copy begins another life of the store, so that agents who know more than it does ask for everything.
fn backup(data: &Path, to: &Path) -> Result<(), Failure> {
    let store = Sqlite::open(&existing(data)?)?;
    store.backup(to, &random::hex::<6>()?)?;
    println!("{}", to.display());
    Ok(())
}

async fn serve_where(options: Serve) -> Result<(), Failure> {
    if let Some(table) = &options.table {
        let store = dynamo(table).await?;
        return serve_from(store, options).await;
    }
    let data = options.data.clone().ok_or("a folder is needed: --data")?;
    std::fs::create_dir_all(&data)?;
    let store = Sqlite::open(&database(&data))?;
    serve_from(store, options).await
}

#[expect(clippy::disallowed_methods, reason = "this is the program that reads its environment")]
async fn serve_from<S: Store>(store: S, options: Serve) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let url = options.first.url.clone().unwrap_or_else(|| format!("http://{address}"));
    let config = Config { audience: options.first.audience.clone(), url, clock: Clock::System };
    let engine = Arc::new(Engine::new(store, config));
    first_start(&engine, &options.first).await?;
    let webhooks = Webhooks { allow_local: options.local_webhooks };
    let aws = if std::env::var_os("AWS_REGION").is_some() { Some(aws().await?) } else { None };
    let notifier = Notifier {
        webhooks,
        sns: aws.as_ref().map(aws_sdk_sns::Client::new),
        eventbridge: aws.as_ref().map(aws_sdk_eventbridge::Client::new),
        ..Notifier::default()
    };
    let chores = tokio::spawn(chores(Arc::clone(&engine), notifier));
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    };
    serve(listener, router(Arc::clone(&engine)), stop).await?;
    chores.abort();
    // The last owner of the store lets its writer finish.
    drop(chores.await);
    drop(engine);
    tracing::info!("stopped");
    Ok(())
}

/// What is done now and then: notifications each second, purging each minute.
async fn chores<S: Store>(engine: Arc<Engine<S>>, notifier: Notifier) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for turn in 0_u64.. {
        second.tick().await;
        if let Err(error) = engine.deliver(&notifier).await {
            tracing::warn!(%error, "notifications were not delivered");
        }
        if turn % 60 == 0 {
            match engine.store.purge(engine.now()).await {
                Ok(rows) => engine.metrics.note_purged(rows),
                Err(error) => tracing::warn!(%error, "nothing was purged"),
            }
        }
    }
}

/// Makes the site where there is none, and prints what can be seen only now.
async fn first_start<S: Store>(engine: &Engine<S>, first: &First) -> Result<(), Failure> {
    let site = Site::new(&first.site).ok_or("a site is 1 to 48 lower-case letters, digits and dashes")?;
    if engine.sites().await?.contains(&site) {
        return Ok(());
    }
    let (public, private) = match &first.policy_public_key {
        Some(public) => (public.clone(), None),
        None => {
            let seed = random::bytes::<32>()?;
            (base64(&public_key(&seed)?), Some(base64(&seed)))
        }
    };
    if !engine.create_site(&site, &public).await? {
        return Ok(());
    }
    let secret = engine.create_key(&site, "first", "first start").await?;
    let token = engine.create_credential(&site, Role::Owner, "first", "first start").await?;
    let told = serde_json::json!({
        "site": site.as_str(),
        "agentSecret": secret,
        "adminToken": token,
        "policyPrivateKey": private,
        "note": "shown once: put agentSecret into Secrets Manager, and keep the others safe",
    });
    println!("{told}");
    Ok(())
}

async fn init(table: &str, create_table: bool, first: First) -> Result<(), Failure> {
    let store = dynamo(table).await?;
    if create_table {
        store.create().await?;
    }
    let url = first.url.clone().unwrap_or_default();
    let engine = Engine::new(store, Config { audience: first.audience.clone(), url, clock: Clock::System });
    first_start(&engine, &first).await
}

#[expect(clippy::disallowed_methods, reason = "this is the program that reads its environment")]
async fn serve_lambda() -> Result<(), Failure> {
    let setting = |name: &str| std::env::var(name).map_err(|_unset| format!("{name} is not set"));
    let aws = aws().await?;
    let store = Dynamo::new(aws_sdk_dynamodb::Client::new(&aws), setting("PICKET_TABLE")?);
    let config = Config {
        audience: setting("PICKET_AUDIENCE").unwrap_or_else(|_unset| "picket-engine".to_owned()),
        url: setting("PICKET_URL").unwrap_or_default(),
        clock: Clock::System,
    };
    let notifier = Notifier {
        webhooks: Webhooks::default(),
        sns: Some(aws_sdk_sns::Client::new(&aws)),
        eventbridge: Some(aws_sdk_eventbridge::Client::new(&aws)),
        patience: lambda::PATIENCE,
        round: lambda::ROUND,
    };
    // A function serves one site, as its stack does; its metrics are told apart by it.
    let site = setting("PICKET_SITE").unwrap_or_else(|_unset| "main".to_owned());
    lambda_http::run(lambda::service(Arc::new(Engine::new(store, config)), notifier, site)).await
}

/// The function that Secrets Manager calls, with a role of its own: what stands behind the public address may touch no secret.
#[expect(clippy::disallowed_methods, reason = "this is the program that reads its environment")]
async fn rotate_lambda() -> Result<(), Failure> {
    let setting = |name: &str| std::env::var(name).map_err(|_unset| format!("{name} is not set"));
    let site = Site::new(&setting("PICKET_SITE")?)
        .ok_or("PICKET_SITE is 1 to 48 lower-case letters, digits and dashes")?;
    let aws = aws().await?;
    let store = Dynamo::new(aws_sdk_dynamodb::Client::new(&aws), setting("PICKET_TABLE")?);
    let config = Config { audience: String::new(), url: String::new(), clock: Clock::System };
    let rotation = Arc::new(Rotation {
        engine: Arc::new(Engine::new(store, config)),
        vault: SecretsManager(aws_sdk_secretsmanager::Client::new(&aws)),
        site,
        agent_secret: setting("PICKET_AGENT_SECRET").unwrap_or_default(),
        admin_secret: setting("PICKET_ADMIN_SECRET")?,
        policy_public_key: setting("PICKET_POLICY_PUBLIC_KEY").ok().filter(|key| !key.is_empty()),
        callers: callers(&setting("PICKET_CALLERS").unwrap_or_default())?,
    });
    let handler = lambda_http::service_fn(move |event: lambda_http::LambdaEvent<Step>| {
        let rotation = Arc::clone(&rotation);
        async move { rotation.step(&event.payload).await.map(|()| serde_json::Value::Null).map_err(Failure::from) }
    });
    lambda_http::lambda_runtime::run(handler).await
}

/// Accounts and names of roles, from their ARNs with commas between: `arn:aws:iam::123456789012:role/path/name`.
fn callers(arns: &str) -> Result<Vec<(String, String)>, Failure> {
    let one = |arn: &str| {
        let role = arn.split(':').nth(5)?.strip_prefix("role/")?;
        let name = role.rsplit('/').next()?;
        Some((arn.split(':').nth(4)?.to_owned(), name.to_owned()))
    };
    let wrong = |arn: &str| {
        format!("PICKET_CALLERS: {arn:?} is no ARN of a role, arn:aws:iam::123456789012:role/name")
    };
    let named = arns.split(',').map(str::trim).filter(|arn| !arn.is_empty());
    named.map(|arn| one(arn).ok_or_else(|| wrong(arn).into())).collect()
}

/// AWS's configuration from the environment, over the one HTTPS client.
async fn aws() -> Result<aws_config::SdkConfig, Failure> {
    let options = picket_https::Options {
        plain: picket_https::PlainHttp::LinkLocal,
        keep_idle: Some(Duration::from_secs(20)),
        ..picket_https::Options::default()
    };
    let client = picket_https::Client::new(&options)?;
    let limits = picket_https::Limits { timeout: Duration::from_secs(10), response_bytes: 16 * 1024 * 1024 };
    let loader =
        aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(client.for_aws(limits));
    Ok(loader.load().await)
}
