//! What the deployment templates promise and AWS's own tools do not check: that the dashboard is one, that queries, widgets and alarms
//! name only what the agent really writes, that nobody may do more than he must, and that nothing is tied to one partition of AWS.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    layout,
    output::{ATTACK, function_url},
};
use serde_json::Value;

/// Metrics that only a function with an engine writes; crate `picket-extension` tests their names.
const WITH_AN_ENGINE: [&str; 2] = ["Flagged", "Dropped"];

fn text(name: &str) -> String {
    fs::read_to_string(layout::repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A template as data. CloudFormation's tags are left out: `!Ref x` reads as `x`.
fn template(name: &str) -> Value {
    let mut plain = String::new();
    for line in text(name).lines() {
        let mut rest = line;
        while let Some(at) = rest.find('!') {
            let (before, tagged) = rest.split_at(at);
            let word: usize = tagged.chars().skip(1).take_while(char::is_ascii_alphanumeric).count();
            let is_tag = word > 1 && (before.ends_with([' ', '[']));
            plain.push_str(before);
            if is_tag {
                rest = tagged.get(word + 1..).unwrap_or_default();
            } else {
                plain.push('!');
                rest = tagged.get(1..).unwrap_or_default();
            }
        }
        plain.push_str(rest);
        plain.push('\n');
    }
    serde_saphyr::from_str(&plain).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = template["Resources"].as_object().expect("resources");
    let found: Vec<_> = all
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
        .collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn dashboard() -> Value {
    let template = template("template.yaml");
    let body = resources(&template, "AWS::CloudWatch::Dashboard")[0].1["DashboardBody"].clone();
    let mut body = body[0].as_str().expect("a body").to_owned();
    let heartbeat = ", \"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:Picket-${Site}-no-heartbeat\"";
    for (name, value) in [
        ("AWS::Partition", "aws"),
        ("AWS::Region", "eu-central-1"),
        ("AWS::AccountId", "123456789012"),
        ("Heartbeat", heartbeat),
    ] {
        body = body.replace(&format!("${{{name}}}"), value);
    }
    serde_json::from_str(&body)
        .unwrap_or_else(|error| panic!("the dashboard's body is no JSON: {error}\n{body}"))
}

/// What an agent really writes: the names of its metrics, and the fields of its verdict lines as Logs Insights names them.
struct Recorded {
    metrics: BTreeSet<String>,
    fields: BTreeSet<String>,
    lines: Vec<String>,
}

fn recorded() -> Recorded {
    let mut recorded = Recorded { metrics: BTreeSet::new(), fields: BTreeSet::new(), lines: Vec::new() };
    for (mode, format) in [("log", "text"), ("block", "json")] {
        let double = Double::start();
        let settings = [
            ("PICKET_MODE", mode),
            ("PICKET_LOG_FORMAT", format),
            ("PICKET_SITE", "shop"),
            ("AWS_LAMBDA_FUNCTION_NAME", "checkout"),
        ];
        let agent = Agent::start(&double, &settings);
        let mut runtime = agent.connect();
        double.queue(Event::new(function_url(ATTACK, None)));
        // Larger than what is held: it passes without a verdict.
        double.queue(Event::new(function_url("big=1", Some(&"x".repeat(17 << 20)))));
        double.queue(Event::new(function_url("id=2", None)));
        loop {
            let event = runtime.next_event().expect("an event");
            let last = event.body == function_url("id=2", None);
            runtime.respond(&event, br#"{"statusCode":200}"#).expect("an answer is taken");
            if last {
                break;
            }
        }
        double.wait_calls(Endpoint::ExtensionNext, 1);
        double.shut_down("spindown");
        agent.line_with("done");
        for line in agent.lines() {
            if let Ok(json) = serde_json::from_str::<Value>(&line) {
                if let Some(directives) = json["_aws"]["CloudWatchMetrics"].as_array() {
                    for metric in
                        directives.iter().flat_map(|one| one["Metrics"].as_array().expect("metrics"))
                    {
                        recorded.metrics.insert(metric["Name"].as_str().expect("a name").to_owned());
                    }
                } else {
                    flatten("", &json, &mut recorded.fields);
                }
            }
            recorded.lines.push(line);
        }
    }
    recorded
}

/// Logs Insights names what is in a list by its place: `signals.0.id`.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeSet<String>) {
    let name = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| flatten(&name(key), value, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, value)| flatten(&name(&nth.to_string()), value, into));
        }
        _ => drop(into.insert(prefix.to_owned())),
    }
}

/// The names in a query that are neither words of the language nor made by the query itself.
fn fields_of(query: &str) -> BTreeSet<String> {
    const WORDS: [&str; 22] = [
        "filter",
        "stats",
        "sort",
        "limit",
        "fields",
        "parse",
        "by",
        "as",
        "and",
        "or",
        "in",
        "like",
        "desc",
        "asc",
        "count",
        "count_distinct",
        "latest",
        "max",
        "pct",
        "bin",
        "ispresent",
        "not",
    ];
    // What stands between quotes or slashes is text, and a place holder in it.
    let mut bare = String::new();
    let mut until = None;
    for character in query.chars() {
        match until {
            Some(end) if character == end => until = None,
            Some(_) => {}
            None if character == '"' => until = Some('"'),
            None if character == '/' && bare.trim_end().ends_with(['e', 'E']) => until = Some('/'),
            None => bare.push(character),
        }
    }
    let made: BTreeSet<String> = bare.split(" as ").skip(1).map(|rest| first_word(rest).to_owned()).collect();
    let named: BTreeSet<String> =
        query.split("?<").skip(1).filter_map(|rest| Some(rest.split_once('>')?.0.to_owned())).collect();
    bare.split(|c: char| !(c.is_alphanumeric() || "._@".contains(c)))
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '@'))
        .filter(|word| !WORDS.contains(word) && !made.contains(*word) && !named.contains(*word))
        .map(str::to_owned)
        .collect()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

#[test]
fn the_dashboard_is_one() {
    let schema: Value = serde_json::from_str(&text("tests/schemas/dashboard.json")).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let body = dashboard();
    let wrong: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A widget that lies on another hides it.
    let place = |widget: &Value| {
        let number = |key: &str| widget[key].as_u64().expect("a number");
        (number("x"), number("y"), number("x") + number("width"), number("y") + number("height"))
    };
    let widgets = body["widgets"].as_array().expect("widgets");
    for (nth, one) in widgets.iter().enumerate() {
        let (left, top, right, bottom) = place(one);
        assert!(right <= 24, "{one}");
        for other in &widgets[nth + 1..] {
            let (l, t, r, b) = place(other);
            assert!(right <= l || r <= left || bottom <= t || b <= top, "{one} lies on {other}");
        }
    }
}

#[test]
fn a_broken_dashboard_is_found_out() {
    let schema: Value = serde_json::from_str(&text("tests/schemas/dashboard.json")).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let sound = dashboard();
    assert!(validator.is_valid(&sound));
    for (pointer, value) in [
        ("/widgets/1/type", Value::from("metrics")),
        ("/widgets/1/x", Value::from(24)),
        ("/widgets/1/properties/stat", Value::from("Summe")),
        ("/widgets/1/properties/metrics", Value::Array(vec![])),
        ("/widgets/0/properties/alarms/0", Value::from("FailOpenAlarm")),
    ] {
        let mut broken = sound.clone();
        *broken.pointer_mut(pointer).expect(pointer) = value;
        assert!(!validator.is_valid(&broken), "{pointer}");
    }
}

#[test]
fn widgets_alarms_and_queries_name_only_what_the_agent_writes() {
    let recorded = recorded();
    let known = |name: &str| recorded.metrics.contains(name) || WITH_AN_ENGINE.contains(&name);
    for name in ["Inspected", "Blocked", "WouldBlock", "FailOpen", "DecisionTime"] {
        assert!(recorded.metrics.contains(name), "the run wrote no {name}: {:?}", recorded.metrics);
    }

    let body = dashboard();
    let mut used = BTreeSet::new();
    for widget in
        body["widgets"].as_array().expect("widgets").iter().filter(|widget| widget["type"] == "metric")
    {
        let (mut namespace, mut name) = (String::new(), String::new());
        for metric in widget["properties"]["metrics"].as_array().expect("metrics") {
            if let Some(expression) = metric[0]["expression"].as_str() {
                assert!(expression.contains("{Picket,FunctionName,Site}"), "{expression}");
                let found = expression.split("MetricName=\"").nth(1).expect("a name");
                used.insert(found.split('"').next().expect("a name").to_owned());
                continue;
            }
            // A dot stands for what the metric before had in its place, three of them for everything.
            let word = |nth: usize| metric[nth].as_str().unwrap_or("...");
            if !word(0).starts_with('.') {
                word(0).clone_into(&mut namespace);
            }
            if word(0) != "..." && word(1) != "." {
                word(1).clone_into(&mut name);
            }
            if namespace == "Picket" {
                assert!(matches!(word(2), "Site" | "." | "..."), "{metric}");
                used.insert(name.clone());
            }
        }
    }
    let template = template("template.yaml");
    for (alarm, properties) in resources(&template, "AWS::CloudWatch::Alarm") {
        let mut metrics = vec![properties];
        metrics.extend(
            properties["Metrics"].as_array().into_iter().flatten().map(|one| &one["MetricStat"]["Metric"]),
        );
        for metric in metrics.into_iter().filter(|metric| metric["Namespace"] == "Picket") {
            used.insert(metric["MetricName"].as_str().expect("a name").to_owned());
            for dimension in metric["Dimensions"].as_array().expect("dimensions") {
                assert!(
                    ["Site", "FunctionName"].contains(&dimension["Name"].as_str().expect("a name")),
                    "{alarm}"
                );
            }
        }
    }
    assert!(used.len() >= 6, "{used:?}");
    for name in &used {
        assert!(known(name), "{name} is written by nobody; written are {:?}", recorded.metrics);
    }

    for (id, query) in resources(&template, "AWS::Logs::QueryDefinition") {
        let query = query["QueryString"].as_str().expect("a query");
        let fields = fields_of(query);
        assert!(!fields.is_empty(), "{id} names no field");
        for field in fields {
            let own = ["@timestamp", "@message", "@log"].contains(&field.as_str());
            assert!(own || recorded.fields.contains(&field), "{id} names {field}, which no line has");
        }
        // A text that is looked for must be one that is written.
        if query.contains("passed without a verdict") {
            assert!(recorded.lines.iter().any(|line| line.contains("passed without a verdict")));
        }
    }
}

#[test]
fn nothing_is_tied_to_one_partition_and_every_log_group_forgets() {
    for name in ["template.yaml", "template-layer.yaml"] {
        for line in text(name).lines() {
            assert!(!line.contains("arn:aws:") && !line.contains("amazonaws.com/"), "{name}: {line}");
        }
    }
    for (name, group) in resources(&template("template.yaml"), "AWS::Logs::LogGroup") {
        assert!(!group["RetentionInDays"].is_null(), "{name} keeps its lines for ever");
    }
}

#[test]
fn everybody_may_do_what_he_must_and_no_more() {
    let template = template("template.yaml");
    let mut statements = Vec::new();
    for (name, role) in resources(&template, "AWS::IAM::Role") {
        for policy in role["Policies"].as_array().expect("policies") {
            statements.push((name, policy["PolicyDocument"]["Statement"].clone()));
        }
    }
    for kind in ["AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"] {
        statements.extend(
            resources(&template, kind)
                .into_iter()
                .map(|(name, policy)| (name, policy["PolicyDocument"]["Statement"].clone())),
        );
    }
    for (name, list) in statements {
        for statement in list.as_array().expect("statements") {
            let actions = match &statement["Action"] {
                Value::String(one) => vec![one.clone()],
                many => serde_json::from_value(many.clone()).expect("actions"),
            };
            assert!(actions.iter().all(|action| !action.contains('*')), "{name}: {statement}");
            let everywhere = statement["Resource"] == "*";
            // X-Ray is the one service here whose actions know no resource.
            assert!(
                !everywhere || actions.iter().all(|action| action.starts_with("xray:")),
                "{name}: {statement}"
            );
        }
    }
    let agent = &template["Resources"]["AgentSecretPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    assert_eq!(agent.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (agent[0]["Action"].as_str(), agent[0]["Resource"].as_str()),
        (Some("secretsmanager:GetSecretValue"), Some("AgentSecret"))
    );
}

#[test]
fn a_function_url_has_both_permissions_and_iam_callers_have_both_conditions() {
    let template = template("template.yaml");
    let permissions = resources(&template, "AWS::Lambda::Permission");
    let find = |action: &str, key: &str| {
        permissions
            .iter()
            .any(|(_, one)| one["Action"] == action && !one[key].is_null() && one["Principal"] == "*")
    };
    assert!(find("lambda:InvokeFunctionUrl", "FunctionUrlAuthType"));
    assert!(find("lambda:InvokeFunction", "InvokedViaFunctionUrl"));
    let iam = &template["Resources"]["AgentIamPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    assert_eq!(iam[0]["Condition"]["StringEquals"]["lambda:FunctionUrlAuthType"], "AWS_IAM");
    assert_eq!(iam[1]["Condition"]["Bool"]["lambda:InvokedViaFunctionUrl"], "true");
}

#[test]
fn the_settings_of_protected_functions_are_settings() {
    let settings = text("docs/settings.md");
    let mut seen = 0;
    for (name, function) in [
        ("template.yaml", template("template.yaml")["Resources"]["ExampleFunction"]["Properties"].clone()),
        ("template-layer.yaml", template("template-layer.yaml")["Globals"]["Function"].clone()),
    ] {
        for key in function["Environment"]["Variables"].as_object().expect("variables").keys() {
            if key != "AWS_LAMBDA_EXEC_WRAPPER" {
                assert!(settings.contains(&format!("`{key}`")), "{name} sets {key}, which is no setting");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5);
}

#[test]
fn fields_of_a_query_are_told_from_its_words() {
    let query = r#"filter verdict in ["would_block"] | stats count(*) as requests by client, signals.0.id
        | parse @message /fault"?=(?<why>[A-Z]+)/ | sort requests desc | filter why like /other/"#;
    let fields: Vec<String> = fields_of(query).into_iter().collect();
    assert_eq!(fields, ["@message", "client", "signals.0.id", "verdict"]);
}
