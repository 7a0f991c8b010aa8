//! The built engine as a Lambda function under AWS's emulator, behind events as a Function URL makes them, over DynamoDB Local. Knows
//! the platform's side; what the engine does is the contract's business.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use picket_cloud_protocol::{Agent, BATCHES, Batch, Count, HEADER, SLOT_SECONDS, Stats};
use picket_tests::{
    clients::Function,
    dynamodb::DynamoDb,
    engine::{Engine, Kept, Reporter, now},
    layout,
    rie::{Emulator, Environment, layer::Layer},
    skip,
};
use serde_json::{Value, json};

const ATTACKER: &str = "198.51.100.23";

/// An event of a Function URL, as AWS documents it.
fn event(method: &str, path: &str, query: &str, headers: &Value, body: Option<&[u8]>) -> Value {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc", "domainName": "abc.lambda-url.us-east-1.on.aws", "domainPrefix": "abc",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.9", "userAgent": "picket/0.1.0"},
            "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d", "routeKey": "$default", "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000", "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": body.is_some(),
    });
    if let Some(body) = body {
        event["body"] = STANDARD.encode(body).into();
    }
    event
}

fn batch(env: &str, n: u64) -> Batch {
    let slot = now() / SLOT_SECONDS * SLOT_SECONDS;
    let client = ATTACKER.parse().expect("a client");
    Batch {
        v: 1,
        batch_id: format!("rie-{env}-00000001"),
        env: env.to_owned(),
        seq: 1,
        made: now(),
        agent: Agent { version: "0.1.0".to_owned(), function: "shop".to_owned(), ..Agent::default() },
        counts: vec![Count { client, signal: "SQLI".to_owned(), slot, n, flags: true }],
        stats: Stats { inspected: 100, ..Stats::default() },
        ..Batch::default()
    }
}

/// The status and the body that the caller of the Function URL would see.
fn ask(emulator: &Emulator, event: &Value) -> (u64, Value) {
    let answer = emulator.invoke(event.to_string().as_bytes()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", emulator.log());
    let whole = answer.json();
    let body = whole["body"].as_str().unwrap_or_default();
    let text = if whole["isBase64Encoded"] == true {
        STANDARD.decode(body).expect("base64")
    } else {
        body.as_bytes().to_vec()
    };
    (whole["statusCode"].as_u64().unwrap_or(0), serde_json::from_slice(&text).unwrap_or_default())
}

#[test]
fn a_function_behind_its_url_counts_flags_and_answers_administrators() {
    let server = match DynamoDb::start() {
        Ok(server) => server,
        Err(why) => return skip(&why),
    };
    // The same program makes the table and the site; then the function takes its place over the same table.
    let kept = Kept::Table { name: "picket".to_owned(), endpoint: server.url() };
    let first = Engine::first(kept).expect("an engine");
    let (secret, token) = (first.secret.clone(), first.token.clone());
    drop(first);
    let program = layout::binary("picket-engine").expect("the engine");
    let function = Function {
        task: program.parent().expect("a folder").to_path_buf(),
        command: vec!["/var/task/picket-engine".to_owned()],
        variables: vec![],
        managed: false,
    };
    let environment = Environment { layer: Layer::empty().expect("a layer"), function, variables: vec![] }
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("AWS_ENDPOINT_URL", &server.url())
        .with("PICKET_TABLE", "picket")
        .with("PICKET_AUDIENCE", &secret.audience);
    let emulator = match environment.start() {
        Ok(emulator) => emulator,
        Err(why) => return skip(&why.to_string()),
    };
    let (status, health) = ask(&emulator, &event("GET", "/healthz", "", &json!({}), None));
    assert_eq!((status, &health["status"]), (200, &json!("ok")), "{}", emulator.log());

    let reporter = Reporter::new(&secret, "function-url").expect("a reporter");
    let send = |batch: &Batch, path: &str| {
        let (header, body) = reporter.sealed(batch).expect("a batch");
        let headers =
            json!({ HEADER: header, "content-encoding": "gzip", "content-type": "application/json" });
        ask(&emulator, &event("POST", path, "", &headers, Some(&body)))
    };
    let (status, reply) = send(&batch("env-1", 30), BATCHES);
    assert_eq!((status, &reply["ack"]), (200, &json!("counted")), "{reply}");
    assert_eq!(send(&batch("env-1", 30), BATCHES).1["ack"], "duplicate");
    // Behind a stage the agent signs the same path.
    let (_, reply) = send(&batch("env-2", 30), &format!("/prod{BATCHES}"));
    assert_eq!(reply["delta"]["set"][0]["client"], ATTACKER, "{reply}");
    let (_, body) = reporter.sealed(&batch("env-3", 1)).expect("a batch");
    let forged = json!({ HEADER: "v1 kid=x,t=1,sig=x", "content-encoding": "gzip" });
    assert_eq!(ask(&emulator, &event("POST", BATCHES, "", &forged, Some(&body))).0, 401);

    let admin = |method: &str, path: &str, body: Option<&Value>| {
        let text = body.map(Value::to_string);
        let headers = json!({ "picket-token": token, "content-type": "application/json" });
        ask(&emulator, &event(method, path, "", &headers, text.as_ref().map(String::as_bytes)))
    };
    let (status, flags) = admin("GET", "/v1/admin/flags", None);
    assert_eq!((status, &flags["flags"][0]["client"]), (200, &json!(ATTACKER)));

    // A role that the Function URL has checked needs no key, once the owner has named it.
    let mut of_role = event("GET", "/v1/flags", "", &json!({}), None);
    of_role["requestContext"]["authorizer"] = json!({"iam": {
        "accessKey": "ASIAEXAMPLE", "accountId": "123456789012", "callerId": "AROAEXAMPLE:shop",
        "cognitoIdentity": null, "principalOrgId": "o-example", "userId": "AROAEXAMPLE:shop",
        "userArn": "arn:aws:sts::123456789012:assumed-role/shop-role/shop",
    }});
    assert_eq!(ask(&emulator, &of_role).0, 401);
    let caller = json!({"account": "123456789012", "role": "shop-role"});
    assert_eq!(admin("POST", "/v1/admin/callers", Some(&caller)).0, 200);
    // Who was turned away is remembered for some seconds.
    let known = (0..200).any(|_| ask(&emulator, &of_role).1["set"][0]["client"] == ATTACKER);
    assert!(known, "{}", emulator.log());
    // What CloudWatch takes for metrics stands on a line of its own.
    // They are written at most every ten seconds, with a request that comes then.
    let sum = |name: &str| {
        let log = emulator.log();
        let lines = log.lines().filter(|line| line.contains("PicketEngine"));
        let told: Vec<Value> =
            lines.map(|line| serde_json::from_str(line).expect("nothing but JSON")).collect();
        assert!(told.iter().all(|line| line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "PicketEngine"));
        told.iter().filter_map(|line| line[name].as_u64()).sum::<u64>()
    };
    let told = (0..240).any(|_| {
        ask(&emulator, &event("GET", "/healthz", "", &json!({}), None));
        pause();
        sum("BatchesCounted") == 2
    });
    assert!(told && sum("BatchesDuplicate") == 1 && sum("FlagsSet") == 1, "{}", emulator.log());
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(250));
}
