//! Notifications: at least once, to a webhook on this machine, and to Amazon SNS and EventBridge as moto imitates them. And the roles of
//! AWS that a Function URL names. Knows the outbox's promise; not how it is kept.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::post;
use bed::{NOW, Time, attacks, batch, engine, sender, set, site};
use picket_cloud_engine::engine::{Engine, Refused};
use picket_cloud_engine::flags::Wanted;
use picket_cloud_engine::notify::{Notifier, Webhooks};
use picket_cloud_engine::settings::Target;
use picket_cloud_engine::store::Store;
use picket_tests::moto::Moto;
use serde_json::{Value, json};
use tower::ServiceExt as _;

on_both_stores!(
    a_flag_is_told_at_least_once,
    a_target_that_stays_dead_is_given_up_and_written_down,
    a_silent_target_hides_nothing_from_others,
);

/// A receiver that refuses the first so many, and keeps the rest.
#[derive(Clone, Default)]
struct Receiver {
    refuse: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn listen(refuse: u64) -> (Self, String) {
        let receiver = Self { refuse: Arc::new(AtomicU64::new(refuse)), ..Self::default() };
        let own = receiver.clone();
        let take = post(move |body: String| async move {
            if own
                .refuse
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok()
            {
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
            let notice = serde_json::from_str(&body).expect("JSON");
            own.seen.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
            StatusCode::NO_CONTENT
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", take)).await });
        (receiver, url)
    }

    fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn flagged<S: Store>(store: &Arc<S>, time: &Time, targets: Vec<Target>) -> Engine<Arc<S>> {
    let engine = engine(Arc::clone(store), time);
    engine.create_site(&site("shop"), "").await.expect("a site");
    set(&engine, &site("shop"), |settings| settings.notify = targets).await;
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW, 50)];
    engine.take(&sender("shop"), &one).await.expect("a reply");
    engine
}

fn local() -> Notifier {
    Notifier { webhooks: Webhooks { allow_local: true }, ..Notifier::default() }
}

async fn a_flag_is_told_at_least_once<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let (receiver, url) = Receiver::listen(2).await;
    let engine = flagged(&store, &time, vec![Target::Webhook { url }]).await;
    // The engine may be killed here: what is to be told lies in the store.
    drop(engine);
    let engine = bed::engine(Arc::clone(&store), &time);
    let mut delivered = Vec::new();
    for _ in 0..4 {
        delivered.push(engine.deliver(&local()).await.expect("a round"));
        time.pass(30);
    }
    assert_eq!(delivered, [0, 0, 1, 0], "refused twice, taken once, and then done");
    let seen = receiver.seen();
    assert_eq!(
        (seen.len(), seen[0]["what"].as_str(), seen[0]["site"].as_str()),
        (1, Some("flag"), Some("shop"))
    );
    assert_eq!(
        seen[0]["text"],
        "Picket, site shop: flag 198[.]51[.]100[.]7: 50 attack signals in 1 min, limit 50"
    );
    assert!(seen[0]["id"].as_str().is_some_and(|id| id.len() == 16), "by which a repetition is known");
}

async fn a_target_that_stays_dead_is_given_up_and_written_down<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let (living, url) = Receiver::listen(0).await;
    let dead = Target::Webhook { url: "http://127.0.0.1:9/".to_owned() };
    let engine = flagged(&store, &time, vec![dead, Target::Webhook { url }]).await;
    for _ in 0..14 {
        engine.deliver(&local()).await.expect("a round");
        time.pass(6_000);
    }
    assert_eq!(living.seen().len(), 1, "who was told is not told again because another one is dead");
    let audit = engine.audit(&site("shop"), Some("2026-11"), 100).await.expect("the audit");
    assert_eq!(audit.iter().filter(|entry| entry.what == "notification-lost").count(), 1);
    assert_eq!(engine.deliver(&local()).await, Ok(0));
}

/// One that takes connections and never answers.
async fn silent() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

async fn a_silent_target_hides_nothing_from_others<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let (silent, quiet) = silent().await;
    let (living, url) = Receiver::listen(0).await;
    let engine = flagged(&store, &time, vec![Target::Webhook { url: quiet.clone() }]).await;
    // More than one round has room for, all of them in vain.
    for n in 0..60 {
        let flag = Wanted { until: Some(NOW + 600), by: "test".to_owned(), ..Wanted::default() };
        let client = bed::client(&format!("192.0.2.{n}"));
        engine.change_flag(&site("shop"), &client, &flag).await.expect("a flag");
    }
    let hasty = Notifier { patience: Duration::from_millis(20), ..local() };
    for _ in 0..2 {
        assert_eq!(engine.deliver(&hasty).await, Ok(0));
    }
    set(&engine, &site("shop"), |settings| {
        settings.notify = vec![Target::Webhook { url: quiet }, Target::Webhook { url }];
    })
    .await;
    let flag = Wanted { until: Some(NOW + 600), by: "test".to_owned(), ..Wanted::default() };
    engine.change_flag(&site("shop"), &bed::client("192.0.2.200"), &flag).await.expect("a flag");
    // The earlier ones wait for their next attempt.
    assert_eq!(engine.deliver(&hasty).await, Ok(0), "one of two targets is not told yet");
    assert_eq!(living.seen().len(), 1, "the newest is told all the same");
    assert_eq!(living.seen()[0]["details"]["client"], "192[.]0[.]2[.]200");
    drop(silent);
}

#[tokio::test]
async fn webhooks_on_this_machine_are_refused_where_they_are_not_allowed() {
    let time = Time::new();
    let (receiver, url) = Receiver::listen(0).await;
    let engine = flagged(&bed::sqlite(), &time, vec![Target::Webhook { url }]).await;
    assert_eq!(engine.deliver(&Notifier::default()).await, Ok(0));
    assert_eq!(receiver.seen(), Vec::<Value>::new());
}

#[tokio::test]
async fn sns_and_eventbridge_are_told() {
    let moto = match Moto::start() {
        Ok(moto) => moto,
        Err(why) => return picket_tests::skip(&why),
    };
    let client = picket_https::Client::new(&picket_https::Options::default()).expect("a client");
    let limits = picket_https::Limits { timeout: Duration::from_secs(30), response_bytes: 1024 * 1024 };
    let aws = client.for_aws(limits);
    let credentials = Credentials::new("test", "test", None, None, "test");
    let region = Region::new("us-east-1");
    let sns = aws_sdk_sns::Client::from_conf(
        aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .endpoint_url(moto.url())
            .http_client(aws.clone())
            .build(),
    );
    let eventbridge = aws_sdk_eventbridge::Client::from_conf(
        aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials)
            .endpoint_url(moto.url())
            .http_client(aws)
            .build(),
    );
    let topic = sns.create_topic().name("alarms").send().await.expect("a topic");
    let topic = topic.topic_arn().expect("its ARN").to_owned();
    let bus = "picket".to_owned();
    eventbridge.create_event_bus().name(&bus).send().await.expect("a bus");
    let targets = vec![Target::Sns { topic }, Target::EventBridge { bus }];
    let time = Time::new();
    let engine = flagged(&bed::sqlite(), &time, targets).await;
    let notifier = Notifier { sns: Some(sns), eventbridge: Some(eventbridge), ..Notifier::default() };
    assert_eq!(engine.deliver(&notifier).await, Ok(1));
    // A topic that is not there is a failure, and not a delivery.
    let gone = vec![Target::Sns { topic: "arn:aws:sns:us-east-1:123456789012:gone".to_owned() }];
    let engine = flagged(&bed::sqlite(), &time, gone).await;
    assert_eq!(engine.deliver(&notifier).await, Ok(0));
}

#[tokio::test]
async fn a_role_of_aws_is_an_agent_of_its_site_and_no_header_can_claim_one() {
    let time = Time::new();
    let engine = Arc::new(engine(bed::sqlite(), &time));
    engine.create_site(&site("shop"), "").await.expect("a site");
    engine.add_caller(&site("shop"), "123456789012", "shop-fn", "test").await.expect("a caller");
    engine.create_site(&site("blog"), "").await.expect("a site");
    let taken = engine.add_caller(&site("blog"), "123456789012", "shop-fn", "test").await;
    assert_eq!(taken, Err(Refused::Conflict), "a role belongs to one site");
    let router = picket_cloud_engine::http::router(Arc::clone(&engine));
    let body = serde_json::to_vec(&batch("e1", 1)).expect("JSON");
    let ask = async |account: &str, arn: &str, beside: bool| {
        let context = json!({
            "accountId": account, "apiId": "abc", "stage": "$default", "requestId": "r", "routeKey": "$default",
            "http": { "method": "POST", "path": "/v1/batches", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x" },
            "time": "", "timeEpoch": 0,
            "authorizer": { "iam": { "accountId": account, "userArn": arn, "accessKey": "A", "callerId": "c", "userId": "u" } },
        });
        let mut request = Request::post("/v1/batches").body(Body::from(body.clone())).expect("a request");
        if beside {
            let context = serde_json::from_value(context).expect("a context");
            request.extensions_mut().insert(lambda_http::request::RequestContext::ApiGatewayV2(context));
        } else {
            let text = context.to_string().parse().expect("a header");
            request.headers_mut().insert("x-amzn-request-context", text);
        }
        router.clone().oneshot(request).await.expect("an answer").status()
    };
    let arn = "arn:aws:sts::123456789012:assumed-role/shop-fn/session";
    assert_eq!(ask("123456789012", arn, true).await, StatusCode::OK);
    assert_eq!(ask("123456789012", arn, false).await, StatusCode::UNAUTHORIZED);
    let strangers = [
        ("123456789012", "arn:aws:sts::123456789012:assumed-role/other-fn/session"),
        ("210987654321", arn),
        ("210987654321", "arn:aws:sts::210987654321:assumed-role/shop-fn/session"),
    ];
    for (account, arn) in strangers {
        assert_eq!(ask(account, arn, true).await, StatusCode::UNAUTHORIZED, "{account} {arn}");
    }
    engine.remove_caller(&site("shop"), "123456789012", "shop-fn", "test").await.expect("removed");
    assert_eq!(ask("123456789012", arn, true).await, StatusCode::UNAUTHORIZED);
}
