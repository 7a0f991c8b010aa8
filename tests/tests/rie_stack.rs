//! The functions of template.yaml with the variables that it gives them, under AWS's emulator, over DynamoDB Local and moto: what
//! `sam deploy` would start rotates both secrets and then takes what agents sign with them. Knows what the template says.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, fs};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use picket_cloud_protocol::{Agent, BATCHES, Batch, Count, HEADER, SLOT_SECONDS, Secret, Stats};
use picket_tests::{
    clients::Function,
    dynamodb::DynamoDb,
    engine::{Engine, Kept, Reporter, now},
    layout,
    moto::Moto,
    rie::{Emulator, Environment, layer::Layer},
    skip,
};
use serde_json::{Value, json};

const SITE: &str = "shop";
const TABLE: &str = "picket";
const REGION: &str = "eu-central-1";
const URL: &str = "https://abc.lambda-url.us-east-1.on.aws/";

/// template.yaml without CloudFormation's tags: `!Ref x` reads as `x`.
fn template() -> Value {
    let text = fs::read_to_string(layout::repository().join("template.yaml")).expect("the template");
    let plain: String = text
        .lines()
        .map(|line| {
            let mut line = line.to_owned();
            for tag in ["!Ref", "!Sub", "!GetAtt", "!If", "!Join", "!Not", "!Or", "!Equals", "!Condition"] {
                line = line.replace(tag, "");
            }
            line + "\n"
        })
        .collect();
    serde_saphyr::from_str(&plain).expect("YAML")
}

/// What a value of the template comes to with the parameters' defaults; nothing for `AWS::NoValue`.
fn resolved(value: &Value) -> Option<String> {
    match value {
        Value::Array(all) => {
            let holds = all.first().and_then(Value::as_str) == Some("UsesSecret");
            resolved(all.get(if holds { 1 } else { 2 })?)
        }
        Value::String(text) => match text.trim() {
            "AWS::NoValue" => None,
            "EngineTable" => Some(TABLE.to_owned()),
            "Site" => Some(SITE.to_owned()),
            "PolicyPublicKey" => Some(String::new()),
            other => Some(other.replace("${Site}", SITE).replace("${EngineUrl.FunctionUrl}", URL)),
        },
        other => Some(other.to_string()),
    }
}

/// A function of the stack, started with its variables. DynamoDB and Secrets Manager are on this machine.
fn started(template: &Value, name: &str, table: &str, secrets: &str) -> Result<Emulator, String> {
    let program = layout::binary("picket-engine")?;
    let function = Function {
        task: program.parent().expect("a folder").to_path_buf(),
        command: vec!["/var/task/picket-engine".to_owned()],
        variables: vec![],
        managed: false,
    };
    let layer = Layer::empty().map_err(|error| error.to_string())?;
    let mut environment = Environment { layer, function, variables: vec![] }
        .with("AWS_REGION", REGION)
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("AWS_ENDPOINT_URL_DYNAMODB", table)
        .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets);
    let variables = &template["Resources"][name]["Properties"]["Environment"]["Variables"];
    for (key, value) in variables.as_object().expect("variables") {
        if let Some(value) = resolved(value) {
            environment = environment.with(key, &value);
        }
    }
    environment.start().map_err(|error| error.to_string())
}

fn batch() -> Batch {
    let count = Count {
        client: "198.51.100.23".parse().expect("a client"),
        signal: "SQLI".to_owned(),
        slot: now() / SLOT_SECONDS * SLOT_SECONDS,
        n: 60,
        flags: true,
    };
    Batch {
        v: 1,
        batch_id: "stack-env-00000001".to_owned(),
        env: "stack-env".to_owned(),
        seq: 1,
        made: now(),
        agent: Agent { version: "0.1.0".to_owned(), function: "shop".to_owned(), ..Agent::default() },
        counts: vec![count],
        stats: Stats {
            inspected: 100,
            blocked: 3,
            would_block: 2,
            fail_open: 1,
            unprotected: 1,
            fallen_back: 1,
            dropped: 4,
            decision_p99_us: 250,
            ..Stats::default()
        },
        ..Batch::default()
    }
}

/// The status and the body that the caller of the Function URL would see.
fn ask(emulator: &Emulator, method: &str, path: &str, headers: &Value, body: Option<&[u8]>) -> (u64, Value) {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
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
    let whole = emulator.invoke(event.to_string().as_bytes()).expect("an answer").json();
    let text = whole["body"].as_str().unwrap_or_default();
    let text = if whole["isBase64Encoded"] == true {
        STANDARD.decode(text).expect("base64")
    } else {
        text.as_bytes().to_vec()
    };
    (whole["statusCode"].as_u64().unwrap_or(0), serde_json::from_slice(&text).unwrap_or_default())
}

/// The engine's metrics that dashboard and alarms name.
fn named(template: &Value) -> BTreeSet<String> {
    let body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"][0].as_str().expect("a body");
    let body: Value = serde_json::from_str(&body.replace("${Heartbeat}", "")).expect("JSON");
    let mut names = BTreeSet::new();
    for widget in body["widgets"].as_array().expect("widgets") {
        let mut engine = false;
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            match metric[0].as_str() {
                Some(".") => {}
                namespace => engine = namespace == Some("PicketEngine"),
            }
            if engine {
                assert_eq!(
                    metric[2].as_str().map(|word| word == "Site" || word == "."),
                    Some(true),
                    "{metric}"
                );
                names.insert(metric[1].as_str().expect("a name").to_owned());
            }
        }
    }
    let text = template.to_string();
    for alarm in text.split("\"MetricName\":\"").skip(1) {
        let (name, rest) = alarm.split_once('"').expect("a name");
        if rest.starts_with(",\"Namespace\":\"PicketEngine\"") {
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() >= 8 && names.contains("AgentFailOpen"), "{names:?}");
    names
}

#[test]
fn what_the_template_deploys_rotates_its_secrets_and_takes_what_agents_sign_with_them() {
    let (server, moto) = match (DynamoDb::start(), Moto::start()) {
        (Ok(server), Ok(moto)) => (server, moto),
        (Err(why), _) | (_, Err(why)) => return skip(&why),
    };
    let template = template();
    // The table that CloudFormation would make.
    drop(Engine::first(Kept::Table { name: TABLE.to_owned(), endpoint: server.url() }).expect("a table"));
    let made = |name: &str| {
        let properties = &template["Resources"][name]["Properties"];
        let text = |key: &str| resolved(&properties[key]).expect("a text");
        let answer = moto
            .secrets("CreateSecret", &json!({"Name": text("Name"), "SecretString": text("SecretString")}));
        answer["ARN"].as_str().expect("an ARN").to_owned()
    };
    let (admin, agent) = (made("AdminSecret"), made("AgentSecret"));

    let rotating = match started(&template, "RotationFunction", &server.url(), &moto.url()) {
        Ok(emulator) => emulator,
        Err(why) => return skip(&why),
    };
    for (arn, version) in
        [(&admin, "5d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d"), (&agent, "6d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d")]
    {
        for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": version});
            let answer = rotating.invoke(event.to_string().as_bytes()).expect("an answer");
            assert_eq!(answer.json(), Value::Null, "{step}: {}", rotating.log());
        }
    }
    drop(rotating);
    let kept = |arn: &str| -> Value {
        let answer = moto.secrets_in(
            REGION,
            "GetSecretValue",
            &json!({"SecretId": arn, "VersionStage": "AWSCURRENT"}),
        );
        serde_json::from_str(answer["SecretString"].as_str().expect("a text")).expect("JSON")
    };
    let secret: Secret = serde_json::from_value(kept(&agent)).expect("an agent's secret");
    assert_eq!((secret.url.as_str(), secret.audience.as_str()), (URL, "picket:shop"));
    let token = kept(&admin)["token"].as_str().expect("a token").to_owned();

    let engine = started(&template, "EngineFunction", &server.url(), &moto.url()).expect("the engine");
    let reporter = Reporter::new(&secret, "function-url").expect("a reporter");
    let (header, body) = reporter.sealed(&batch()).expect("a batch");
    let headers = json!({ HEADER: header, "content-encoding": "gzip", "content-type": "application/json" });
    let (status, reply) = ask(&engine, "POST", BATCHES, &headers, Some(&body));
    assert_eq!((status, &reply["ack"]), (200, &json!("counted")), "{reply} {}", engine.log());
    let (status, flags) = ask(&engine, "GET", "/v1/admin/flags", &json!({ "picket-token": token }), None);
    assert_eq!((status, &flags["flags"][0]["client"]), (200, &json!("198.51.100.23")));
    let forged = json!({ HEADER: "v1 kid=x,t=1,sig=x", "content-encoding": "gzip" });
    assert_eq!(ask(&engine, "POST", BATCHES, &forged, Some(&body)).0, 401);

    // Metrics are written at most every ten seconds, with a request that comes then.
    let written = || {
        let log = engine.log();
        let lines = log.lines().filter(|line| line.contains("PicketEngine"));
        let lines: Vec<Value> =
            lines.map(|line| serde_json::from_str(line).expect("nothing but JSON")).collect();
        assert!(lines.iter().all(|line| line["Site"] == SITE));
        let names = lines
            .iter()
            .flat_map(|line| line.as_object().expect("an object").keys().cloned().collect::<Vec<_>>());
        names.collect::<BTreeSet<String>>()
    };
    let mut wanted = named(&template);
    // Nothing fails here.
    wanted.remove("Failures");
    let told = (0..240).any(|_| {
        ask(&engine, "GET", "/healthz", &json!({}), None);
        pause();
        wanted.is_subset(&written())
    });
    assert!(told, "named: {wanted:?}; written: {:?}", written());
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(250));
}
