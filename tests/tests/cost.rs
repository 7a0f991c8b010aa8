//! The figures of docs/cost.md that depend on what the agent writes are what it writes.

use picket_tests::{
    agent::Agent,
    double::{Double, Endpoint, Event},
    layout,
    output::{ATTACK, function_url},
};
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a test without its table has failed")]
fn figure(key: &str) -> f64 {
    let text = std::fs::read_to_string(layout::repository().join("xtask/src/cost/measured.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    table[key]["value"].as_f64().unwrap()
}

#[test]
fn lines_have_the_size_that_their_price_is_computed_from() {
    let double = Double::start();
    let settings = [("PICKET_SITE", "shop"), ("AWS_LAMBDA_FUNCTION_NAME", "checkout")];
    let agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    let id = double.queue(Event::new(function_url(ATTACK, None)));
    for _ in 0..9 {
        double.queue(Event::new(function_url("id=2", None)));
    }
    for _ in 0..10 {
        let event = runtime.next_event().unwrap();
        runtime.respond(&event, br#"{"statusCode":200}"#).unwrap();
    }
    double.wait_calls(Endpoint::ExtensionNext, 1);
    double.shut_down("spindown");
    agent.line_with("done");
    let (verdict, metrics) =
        (agent.line_with(&format!("\"requestId\":\"{id}\"")), agent.line_with("\"_aws\""));
    for (key, line) in [("verdictLineBytes", verdict), ("metricsLineBytes", metrics)] {
        let (told, real) = (figure(key), line.len());
        #[expect(clippy::cast_precision_loss, reason = "a line has few bytes")]
        let ratio = real as f64 / told;
        assert!((0.85..=1.15).contains(&ratio), "{key} is {told}, the line has {real} bytes: {line}");
    }
}
