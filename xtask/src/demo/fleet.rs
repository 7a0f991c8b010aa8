//! The demo's last act: an engine, several environments of one function, and a client whose attacks are spread over them. Knows
//! what is shown; not how the engine counts.

use std::io;
use std::time::Duration;

use picket_tests::clients::{Client, Function};
use picket_tests::cloud::Cloud;
use picket_tests::engine::{Engine, Kept};
use picket_tests::layout;
use picket_tests::rie::layer::Layer;
use picket_tests::rie::{Emulator, Environment};
use serde_json::json;

use crate::command;

/// Environments of the function.
const ENVIRONMENTS: usize = 3;
/// Attacks after which the demo gives up.
const MOST: usize = 1_500;
const CLIENT: &str = "198.51.100.7";
/// Likely to be an attack, and no more: alone it blocks nobody.
const LIKELY: &str = "url=http%3A%2F%2Flocalhost%3A3000%2Fcallback";

/// Shows the client being flagged.
///
/// # Errors
/// When something could not be started, or the client was not flagged, or a clean request of theirs was blocked.
#[expect(clippy::disallowed_methods, reason = "the demo's own thread forwards no events")]
pub(super) fn show() -> Result<(), String> {
    println!("\nbuilding the engine");
    command::show(
        command::cargo()
            .args(["build", "--quiet", "--package", "picket-cloud-engine"])
            .current_dir(layout::repository()),
    )?;
    // Only its Secrets Manager is used: the engine is the real one.
    let cloud = Cloud::start();
    let engine = Engine::first(Kept::Folder(cloud.folder().join("engine")))?;
    cloud.keep_secret(serde_json::to_string(&engine.secret).map_err(|error| error.to_string())?);
    println!(
        "\nAn engine at http://{}, and {ENVIRONMENTS} environments of the function in mode block.",
        engine.address()
    );
    println!("One client sends each of them requests that are likely attacks: `{LIKELY}`\n");
    let fleet: io::Result<Vec<Emulator>> =
        (0..ENVIRONMENTS).map(|number| environment(&cloud, number)).collect();
    let fleet = fleet.map_err(|error| format!("an environment could not start: {error}"))?;
    let mut blocked = [false; ENVIRONMENTS];
    for sent in 1..=MOST {
        let Some((number, emulator)) = fleet.iter().enumerate().nth(sent % ENVIRONMENTS) else { continue };
        let status = status(emulator, LIKELY)?;
        if let Some(first) = blocked.get_mut(number).filter(|first| status == 406 && !**first) {
            *first = true;
            println!("    after {sent} attacks in all, environment {} blocks the client: 406", number + 1);
        }
        if blocked.iter().all(|blocked| *blocked) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let flags = engine.admin("/v1/admin/flags")?;
    if !blocked.iter().all(|blocked| *blocked) || !flags.to_string().contains(CLIENT) {
        return Err(format!("after {MOST} attacks not every environment blocks the client: {blocked:?}"));
    }
    println!("    the engine: {flags}");
    let clean = fleet.first().map_or(Ok(0), |emulator| status(emulator, "q=blue+bicycle"))?;
    println!("    a clean request of the same client: {clean}");
    if clean == 200 { Ok(()) } else { Err(format!("a clean request of a flagged client got {clean}")) }
}

fn environment(cloud: &Cloud, number: usize) -> io::Result<Emulator> {
    let python = Client::Python.function().map_err(io::Error::other)?;
    let function = Function { task: layout::repository().join("tests/functions/demo"), ..python };
    let mut environment = Environment { layer: Layer::built()?, function, variables: vec![] };
    let folder = cloud.folder().join(number.to_string());
    std::fs::create_dir_all(&folder)?;
    let folder = folder.display().to_string();
    for (key, value) in cloud.settings(&[("PICKET_MODE", "block"), ("TMPDIR", &folder)]) {
        environment = environment.with(&key, &value);
    }
    environment.start()
}

/// What a Function URL would answer.
fn status(emulator: &Emulator, query: &str) -> Result<u64, String> {
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/search", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "picket-demo"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-central-1.on.aws", "requestId": "demo", "stage": "$default",
            "http": {"method": "GET", "path": "/search", "protocol": "HTTP/1.1", "sourceIp": CLIENT},
        },
        "isBase64Encoded": false,
    });
    let answer = emulator.invoke(event.to_string().as_bytes()).map_err(|error| error.to_string())?;
    Ok(answer.status_code().unwrap_or(0))
}
