//! The admin API: what `docs/openapi.yaml` describes. Knows who may ask for what; not how it is done.
//!
//! Each path stands in [`PATHS`] with the role that it needs, and is routed from there, so that none is served unguarded or
//! undescribed.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use picket_cloud_protocol::{Bundle, ClientKey, ClientKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Shared, json_response};
use crate::auth::{Administrator, Role};
use crate::engine::{Engine, Refused};
use crate::flags::{Changed, Wanted};
use crate::limits;
use crate::read::{Search, Span};
use crate::settings::Settings;
use crate::store::{self, Store};

/// Every method and path.
pub(super) const PATHS: &[(Method, &str)] = &[
    (Method::GET, "/v1/admin/settings"),
    (Method::PUT, "/v1/admin/settings"),
    (Method::GET, "/v1/admin/signals"),
    (Method::GET, "/v1/admin/events"),
    (Method::GET, "/v1/admin/flags"),
    (Method::POST, "/v1/admin/flags"),
    (Method::DELETE, "/v1/admin/flags"),
    (Method::GET, "/v1/admin/fleet"),
    (Method::GET, "/v1/admin/policies"),
    (Method::POST, "/v1/admin/policies"),
    (Method::GET, "/v1/admin/policies/{version}"),
    (Method::GET, "/v1/admin/keys"),
    (Method::POST, "/v1/admin/keys"),
    (Method::DELETE, "/v1/admin/keys/{id}"),
    (Method::GET, "/v1/admin/callers"),
    (Method::POST, "/v1/admin/callers"),
    (Method::DELETE, "/v1/admin/callers"),
    (Method::GET, "/v1/admin/credentials"),
    (Method::POST, "/v1/admin/credentials"),
    (Method::DELETE, "/v1/admin/credentials/{id}"),
    (Method::GET, "/v1/admin/audit"),
];

pub(super) fn routes<S: Store>() -> Router<Shared<S>> {
    Router::new()
        .route("/v1/admin/settings", get(settings::<S>).put(set_settings::<S>))
        .route("/v1/admin/signals", get(signals::<S>))
        .route("/v1/admin/events", get(events::<S>))
        .route("/v1/admin/flags", get(flags::<S>).post(set_flag::<S>).delete(unset_flag::<S>))
        .route("/v1/admin/fleet", get(fleet::<S>))
        .route("/v1/admin/policies", get(policies::<S>).post(add_policy::<S>))
        .route("/v1/admin/policies/{version}", get(policy::<S>))
        .route("/v1/admin/keys", get(keys::<S>).post(create_key::<S>))
        .route("/v1/admin/keys/{id}", delete(end_key::<S>))
        .route("/v1/admin/callers", get(callers::<S>).post(add_caller::<S>).delete(remove_caller::<S>))
        .route("/v1/admin/credentials", get(credentials::<S>).post(create_credential::<S>))
        .route("/v1/admin/credentials/{id}", delete(remove_credential::<S>))
        .route("/v1/admin/audit", get(audit::<S>))
}

/// Who asks, if that is somebody with at least this role.
async fn admit<S: Store>(engine: &Engine<S>, parts: &Parts, role: Role) -> Result<Administrator, Refused> {
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A Function URL that checks AWS's own signatures has taken Authorization for those.
    let token = header("picket-token").or_else(|| header("authorization")?.strip_prefix("Bearer "));
    let token = token.ok_or(Refused::Unauthorized)?;
    let administrator = engine.administrator(token.trim()).await?;
    if administrator.role < role { Err(Refused::Forbidden) } else { Ok(administrator) }
}

/// Runs a handler and turns what it says into an answer.
async fn answer<S: Store, T: serde::Serialize>(
    engine: &Engine<S>,
    work: impl Future<Output = Result<T, Refused>>,
) -> Response {
    match work.await {
        Ok(value) => json_response(StatusCode::OK, &value),
        Err(refused) => {
            engine.note(&refused);
            refused.into_response()
        }
    }
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let bytes =
        to_bytes(request.into_body(), limits::ADMIN_BYTES).await.map_err(|_error| Refused::TooLarge)?;
    serde_json::from_slice(&bytes).map_err(|error| Refused::Invalid(error.to_string()))
}

fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, Refused> {
    let query = Query::<T>::try_from_uri(&parts.uri);
    query.map(|Query(value)| value).map_err(|error| Refused::Invalid(error.body_text()))
}

fn done() -> Value {
    json!({ "done": true })
}

type In<S> = State<Shared<S>>;

async fn settings<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        let (settings, revision) = engine.settings(&who.site).await?;
        Ok(json!({ "settings": settings, "revision": revision }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSettings {
    settings: Settings,
    revision: u64,
}

async fn set_settings<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Admin).await?;
        let new: NewSettings = body(request).await?;
        let revision = engine.set_settings(&who.site, &new.settings, new.revision, &who.id).await?;
        Ok(json!({ "revision": revision }))
    })
    .await
}

#[derive(Deserialize)]
struct Times {
    from: Option<u64>,
    to: Option<u64>,
    step: Option<u64>,
}

async fn signals<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        let times: Times = query(&parts)?;
        let to = times.to.unwrap_or_else(|| engine.now() + 1);
        let from = times.from.unwrap_or_else(|| to.saturating_sub(3_600));
        let step = times.step.unwrap_or(60);
        let series = engine.series(&who.site, Span { from, to, step }).await?;
        Ok(json!({ "from": from, "to": to, "step": step, "series": series }))
    })
    .await
}

#[derive(Deserialize)]
struct Sought {
    from: Option<u64>,
    to: Option<u64>,
    signal: Option<String>,
    client: Option<String>,
    function: Option<String>,
    action: Option<String>,
    path: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn events<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        let sought: Sought = query(&parts)?;
        let to = sought.to.unwrap_or_else(|| engine.now() + 1);
        let search = Search {
            from: sought.from.unwrap_or_else(|| to.saturating_sub(86_400)),
            to,
            signal: sought.signal,
            client: sought.client,
            function: sought.function,
            action: sought.action,
            path: sought.path,
            limit: sought.limit.unwrap_or(50),
            cursor: sought.cursor,
        };
        engine.events(&who.site, &search).await
    })
    .await
}

async fn flags<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        Ok(json!({ "flags": engine.flags(&who.site).await? }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFlag {
    client: ClientKey,
    seconds: u64,
    why: String,
}

async fn set_flag<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Admin).await?;
        let new: NewFlag = body(request).await?;
        if new.client.kind() == ClientKind::Unknown {
            return Err(Refused::Invalid("client: an address or network in its one spelling".to_owned()));
        }
        // A slip of the finger must not flag half the Internet.
        if new.client.network().is_some_and(|(first, length)| length < if first.is_ipv4() { 8 } else { 16 }) {
            return Err(Refused::Invalid("client: a network of at least /8, or /16 for IPv6".to_owned()));
        }
        if !(1..=31_556_900).contains(&new.seconds) {
            return Err(Refused::Invalid("seconds: 1 to 31556900".to_owned()));
        }
        let until = Some(engine.now() + new.seconds);
        let wanted = Wanted { until, why: new.why, by: who.id, ..Wanted::default() };
        match engine.change_flag(&who.site, &new.client, &wanted).await? {
            Changed::Now(version) => Ok(json!({ "version": version })),
            Changed::Already => Ok(done()),
            Changed::Stopped(flagged) => Err(Refused::Invalid(format!(
                "{flagged} clients are flagged already, as many as there may be"
            ))),
        }
    })
    .await
}

#[derive(Deserialize)]
struct OneClient {
    client: ClientKey,
    why: Option<String>,
}

async fn unset_flag<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Admin).await?;
        let one: OneClient = query(&parts)?;
        let why = one.why.unwrap_or_default();
        let wanted = Wanted { until: None, why, by: who.id, ..Wanted::default() };
        match engine.change_flag(&who.site, &one.client, &wanted).await? {
            Changed::Now(version) => Ok(json!({ "version": version })),
            Changed::Already | Changed::Stopped(_) => Err(Refused::NotFound),
        }
    })
    .await
}

async fn fleet<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        Ok(json!({ "functions": engine.fleet(&who.site).await?, "now": engine.now() }))
    })
    .await
}

async fn policies<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        Ok(json!({ "policies": engine.policies(&who.site).await? }))
    })
    .await
}

async fn add_policy<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Admin).await?;
        let bundle: Bundle = body(request).await?;
        engine.add_policy(&who.site, &bundle, &who.id).await
    })
    .await
}

async fn policy<S: Store>(State(engine): In<S>, Path(version): Path<u64>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        engine.policy(&who.site, version).await
    })
    .await
}

async fn keys<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        Ok(json!({ "keys": engine.keys(&who.site).await? }))
    })
    .await
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Noted {
    note: String,
}

async fn create_key<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let noted: Noted = body(request).await?;
        engine.create_key(&who.site, &noted.note, &who.id).await
    })
    .await
}

#[derive(Deserialize)]
struct Ending {
    /// Seconds for which the key stays valid, for a rotation; without it the key is revoked, and its flags with it.
    after: Option<u64>,
}

async fn end_key<S: Store>(State(engine): In<S>, Path(id): Path<String>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let ending: Ending = query(&parts)?;
        let at = ending.after.map(|after| engine.now() + after.min(365 * 86_400));
        let unflagged = engine.end_key(&who.site, &id, at, &who.id).await?;
        Ok(json!({ "unflagged": unflagged }))
    })
    .await
}

async fn callers<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        let items = engine.store.query(store::Query::prefix(who.site.callers(), "", 1_000)).await?;
        let caller = |item: &store::Item| json!({ "account": item.get_text("account"), "role": item.get_text("role") });
        Ok(json!({ "callers": items.iter().map(caller).collect::<Vec<_>>() }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    account: String,
    role: String,
}

async fn add_caller<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let caller: Caller = body(request).await?;
        engine.add_caller(&who.site, &caller.account, &caller.role, &who.id).await?;
        Ok(done())
    })
    .await
}

async fn remove_caller<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let caller: Caller = query(&parts)?;
        engine.remove_caller(&who.site, &caller.account, &caller.role, &who.id).await?;
        Ok(done())
    })
    .await
}

async fn credentials<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let items = engine.store.query(store::Query::prefix(who.site.credentials(), "", 1_000)).await?;
        let one = |item: &store::Item| {
            json!({
                "id": item.get_text("id"), "role": item.get_text("role"),
                "note": item.get_text("note"), "created": item.get_int("created"),
            })
        };
        Ok(json!({ "credentials": items.iter().map(one).collect::<Vec<_>>() }))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCredential {
    role: Role,
    #[serde(default)]
    note: String,
}

async fn create_credential<S: Store>(State(engine): In<S>, parts: Parts, request: Request) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        let new: NewCredential = body(request).await?;
        let token = engine.create_credential(&who.site, new.role, &new.note, &who.id).await?;
        Ok(json!({ "token": token }))
    })
    .await
}

async fn remove_credential<S: Store>(State(engine): In<S>, Path(id): Path<String>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Owner).await?;
        engine.remove_credential(&who.site, &id, &who.id).await?;
        Ok(done())
    })
    .await
}

#[derive(Deserialize)]
struct Months {
    month: Option<String>,
    limit: Option<usize>,
}

async fn audit<S: Store>(State(engine): In<S>, parts: Parts) -> Response {
    answer(&engine, async {
        let who = admit(&engine, &parts, Role::Observer).await?;
        let months: Months = query(&parts)?;
        let entries = engine.audit(&who.site, months.month.as_deref(), months.limit.unwrap_or(100)).await?;
        Ok(json!({ "entries": entries }))
    })
    .await
}
