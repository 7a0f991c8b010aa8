//! The example handler in Rust. It reads the event as text and says what it got; it knows nothing of Picket.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

async fn handle(event: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    let text = event.payload.get();
    let sha256 =
        Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let seen = json!({ "sha256": sha256, "length": text.len() });
    println!("handler-called {} {seen}", event.context.request_id);
    let path = serde_json::from_str::<Value>(text).ok().and_then(|event| event.get("rawPath").cloned());
    if path.as_ref().and_then(Value::as_str) == Some("/fail") {
        return Err("failed on purpose".into());
    }
    Ok(
        json!({ "statusCode": 200, "headers": { "content-type": "application/json" }, "body": seen.to_string() }),
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}
