//! Policies over HTTP and as the engine hands them out: which are taken, and which a function is given. Over a SQLite file.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;
mod desk;

use axum::http::StatusCode;
use bed::{NOW, attacks, batch, site};
use desk::{bytes, desk};
use picket_cloud_engine::auth::Role;
use picket_cloud_engine::engine::Refused;
use picket_cloud_engine::ingest::Sender;
use picket_cloud_engine::store::{Query, Store as _, When, Write};
use picket_cloud_engine::text::base64;
use picket_cloud_protocol::Bundle;
use serde_json::{Value, json};

#[tokio::test]
async fn policies_are_signed_newer_each_time_and_served_to_their_functions() {
    let desk = desk().await;
    let admin = desk.token(Role::Admin).await;
    let path = "/v1/admin/policies";
    let policy = compiled(
        &json!([{ "id": "login", "limit": 3, "window": "1m", "for": "10m", "key": ["client"], "then": ["block"],
        "when": { "field": "path", "like": "/login*" } }]),
    );
    assert_eq!(desk.get("/v1/policy", "have=0&function=shop").await.0, StatusCode::NOT_FOUND);
    let good = desk.bundle(5, &policy);
    let upload = |bundle: &Bundle| serde_json::to_value(bundle).expect("JSON");
    let changed = [
        Bundle { policy: "{}".to_owned(), ..good.clone() },
        Bundle { version: 6, ..good.clone() },
        Bundle { site: "blog".to_owned(), ..good.clone() },
        Bundle { functions: vec!["a*".to_owned()], ..good.clone() },
        Bundle { expires: NOW + 2_000, ..good.clone() },
        Bundle { sig: base64(&[0; 64]), ..good.clone() },
    ];
    for bundle in changed {
        let (status, answer) = desk.admin(&admin, "POST", path, &upload(&bundle)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    let mut expired = Bundle { expires: NOW, ..good.clone() };
    desk.sign(&mut expired);
    assert_eq!(desk.admin(&admin, "POST", path, &upload(&expired)).await.0, StatusCode::BAD_REQUEST);
    let (status, answer) = desk.admin(&admin, "POST", path, &upload(&good)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (status, answer) = desk.admin(&admin, "POST", path, &upload(&good)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let (status, served) = desk.get("/v1/policy", "have=4&function=shop").await;
    assert_eq!((status, serde_json::from_value::<Bundle>(served).expect("a bundle")), (StatusCode::OK, good));
    assert_eq!(desk.get("/v1/policy", "have=5&function=shop").await.0, StatusCode::NOT_MODIFIED);
    let (_, history) = desk.admin(&admin, "GET", path, &Value::Null).await;
    assert_eq!(history["policies"][0]["version"], 5);
    assert_eq!(desk.admin(&admin, "GET", "/v1/admin/policies/5", &Value::Null).await.1["version"], 5);
    // Its rate limits are counted across environments: four of three allowed.
    let mut flagged = Vec::new();
    for env in ["e1", "e2", "e3", "e4"] {
        let mut one = batch(env, 1);
        one.counts = vec![attacks("rate:login:00112233", NOW, 1)];
        let (_, reply) = desk.signed(None, bytes(&one)).await;
        assert_eq!(reply["policyVersion"], 5);
        flagged.push(reply["delta"]["set"].as_array().map_or(0, Vec::len));
    }
    assert_eq!(flagged, [0, 0, 0, 1]);
}

/// A policy with these rate limits, as `picket policy build` writes it.
#[tokio::test]
async fn a_policy_is_given_while_it_is_in_force_however_many_others_came_since() {
    let desk = desk().await;
    let shop = site("shop");
    let login = json!([{ "id": "login", "limit": 3, "window": "1m", "key": ["client"], "then": ["block"],
        "when": { "field": "path", "like": "/login*" } }]);
    let (with, without) = (compiled(&login), compiled(&json!([])));
    let offer = |version: u64, functions: &str, not_before: u64, policy: &Value| {
        let functions = vec![functions.to_owned()];
        let mut bundle = Bundle { functions, not_before, ..desk.bundle(version, policy) };
        desk.sign(&mut bundle);
        bundle
    };
    let add = async |bundle: Bundle| desk.engine.add_policy(&shop, &bundle, "test").await.map(drop);
    let given = async |function: &str| {
        let given = desk.engine.policy_for(&shop, function, 0).await;
        given.map(|bundle| bundle.map_or(0, |bundle| bundle.version))
    };
    assert_eq!(add(offer(1, "blog-*", 0, &with)).await, Ok(()));
    for version in 2..=230 {
        assert_eq!(add(offer(version, "shop-*", 0, &without)).await, Ok(()));
    }
    assert_eq!((given("blog-web").await, given("shop-web").await), (Ok(1), Ok(230)));
    // Agents refuse what begins later; a new environment would have none until then.
    assert_eq!(add(offer(231, "*", NOW + 60, &without)).await, Ok(()));
    assert_eq!((given("blog-web").await, given("other").await), (Ok(1), Err(Refused::NotFound)));
    desk.time.pass(60);
    assert_eq!((given("blog-web").await, given("other").await), (Ok(231), Ok(231)));
    // The rule of the first policy is in no policy that any function is given once it was replaced.
    assert_eq!(add(offer(232, "blog-*", 0, &without)).await, Ok(()));
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("rate:login:00112233", NOW + 60, 9)];
    let sender = Sender { site: shop.clone(), key: desk.secret.id.clone() };
    assert!(
        desk.engine
            .take(&sender, &one)
            .await
            .expect("a reply")
            .delta
            .is_none_or(|delta| delta.set.is_empty())
    );
    // Each for a function of its own, until there is no more room; then it is said, and nothing is lost.
    let mut version = 232;
    let full = loop {
        version += 1;
        if let Err(full) = add(offer(version, &format!("f{version}"), 0, &without)).await {
            break full;
        }
    };
    assert!(full.to_string().starts_with("80 policies for different functions are in force"), "{full}");
    assert_eq!(given("blog-web").await, Ok(232));
    // What replaces them all has room.
    assert_eq!(add(offer(version, "*", 0, &without)).await, Ok(()));
    assert_eq!((given("f233").await, given("blog-web").await), (Ok(version), Ok(version)));
}

#[tokio::test]
async fn what_an_earlier_engine_took_in_is_given_as_before() {
    let desk = desk().await;
    let shop = site("shop");
    let policy = compiled(&json!([]));
    let add = async |version: u64, functions: &str| {
        let mut bundle = Bundle { functions: vec![functions.to_owned()], ..desk.bundle(version, &policy) };
        desk.sign(&mut bundle);
        desk.engine.add_policy(&shop, &bundle, "test").await.map(|record| record.version)
    };
    let given = async |function: &str| {
        desk.engine.policy_for(&shop, function, 0).await.map(|bundle| bundle.map(|bundle| bundle.version))
    };
    assert_eq!((add(1, "blog-*").await, add(2, "shop-*").await), (Ok(1), Ok(2)));
    // It kept the history alone.
    let listed = desk.engine.store.query(Query::prefix(shop.policies(), "l#", 10)).await.expect("items");
    assert_eq!(listed.len(), 2);
    let gone = listed.into_iter().map(|item| Write::Delete(item.key, When::Present)).collect();
    desk.engine.store.write(gone).await.expect("written");
    assert_eq!((given("blog-web").await, given("shop-web").await), (Ok(Some(1)), Ok(Some(2))));
    assert!(add(2, "shop-*").await.is_err(), "it is not newer");
    assert_eq!(add(3, "shop-*").await, Ok(3));
    assert_eq!((given("blog-web").await, given("shop-web").await), (Ok(Some(1)), Ok(Some(3))));
    let listed = desk.engine.store.query(Query::prefix(shop.policies(), "l#", 10)).await.expect("items");
    assert_eq!(listed.len(), 2, "those that somebody is given");
}

fn compiled(rate_limits: &Value) -> Value {
    let document =
        json!({ "picket": 1, "name": "shop", "version": 1, "mode": "block", "rateLimits": rate_limits });
    let document = serde_json::from_value(document).expect("a document");
    let canonical =
        picket_policy::compile::compile(&document, &picket_policy::compile::no_files).expect("a policy");
    serde_json::to_value(canonical).expect("JSON")
}

#[tokio::test]
async fn a_policy_that_agents_would_refuse_is_refused_with_its_place_and_not_stored() {
    let desk = desk().await;
    let admin = desk.token(Role::Admin).await;
    let good =
        compiled(&json!([{ "id": "login", "limit": 3, "window": "1m", "key": ["client"], "then": ["block"],
        "when": { "field": "path", "like": "/login*" } }]));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut policy = good.clone();
        change(&mut policy);
        policy
    };
    let table = [
        (with(&|policy| policy["rateLimits"][0]["window"] = json!(420)), "login"),
        (with(&|policy| policy["rateLimits"][0]["key"] = json!([])), "login"),
        (with(&|policy| policy["colour"] = json!("red")), "colour"),
        (with(&|policy| policy["picket"] = json!(99)), "its format is 99"),
        (json!("mode: block"), "picket policy build"),
    ];
    for (policy, told) in table {
        let bundle = serde_json::to_value(desk.bundle(5, &policy)).expect("JSON");
        let (status, answer) = desk.admin(&admin, "POST", "/v1/admin/policies", &bundle).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{policy}");
        let error = answer["error"].as_str().expect("an error");
        assert!(error.starts_with("policy: ") && error.contains(told), "{error}");
    }
    let (_, history) = desk.admin(&admin, "GET", "/v1/admin/policies", &Value::Null).await;
    assert_eq!(history["policies"], json!([]));
    let bundle = serde_json::to_value(desk.bundle(5, &good)).expect("JSON");
    assert_eq!(desk.admin(&admin, "POST", "/v1/admin/policies", &bundle).await.0, StatusCode::OK);
}
