//! What agents ask for: batches, flags, policy. Size and credential come first, then inflating within a cap, then the shape.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use lambda_http::request::RequestContext;
use picket_cloud_protocol::{BATCHES, DecodeError, FLAGS, FlagDelta, HEADER, POLICY, decode, limits as wire};
use serde::Deserialize;

use super::{Shared, json_response};
use crate::auth::Signed;
use crate::engine::{Engine, Refused};
use crate::ingest::Sender;
use crate::store::Store;

pub(super) fn routes<S: Store>() -> Router<Shared<S>> {
    Router::new()
        .route(BATCHES, post(batches::<S>))
        .route(FLAGS, get(flags::<S>))
        .route(POLICY, get(policy::<S>))
}

fn counted<S: Store>(engine: &Engine<S>, result: Result<Response, Refused>) -> Response {
    result.unwrap_or_else(|refused| {
        engine.note(&refused);
        refused.into_response()
    })
}

async fn batches<S: Store>(State(engine): State<Shared<S>>, request: Request) -> Response {
    let result = async {
        let (parts, body) = request.into_parts();
        let body = whole(&parts.headers, body).await?;
        let sender = sender(&engine, &parts, &body).await?;
        let coding = parts.headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let batch = decode(coding, &body).map_err(refusal)?;
        let reply = engine.take(&sender, &batch).await?;
        Ok(json_response(StatusCode::OK, &reply))
    };
    counted(&engine, result.await)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: Option<String>,
    have: u64,
    function: String,
}

async fn flags<S: Store>(State(engine): State<Shared<S>>, request: Request) -> Response {
    let result = async {
        let (parts, _body) = request.into_parts();
        let sender = sender(&engine, &parts, b"").await?;
        let asked = asked(&parts.uri)?;
        let held = asked.cursor.unwrap_or_default();
        let nothing = || FlagDelta { cursor: held.clone(), ..FlagDelta::default() };
        let cursor = Some(held.as_str()).filter(|cursor| !cursor.is_empty());
        let delta = engine.delta(&sender.site, cursor).await?;
        Ok(json_response(StatusCode::OK, &delta.unwrap_or_else(nothing)))
    };
    counted(&engine, result.await)
}

async fn policy<S: Store>(State(engine): State<Shared<S>>, request: Request) -> Response {
    let result = async {
        let (parts, _body) = request.into_parts();
        let sender = sender(&engine, &parts, b"").await?;
        let asked = asked(&parts.uri)?;
        Ok(match engine.policy_for(&sender.site, &asked.function, asked.have).await? {
            Some(bundle) => json_response(StatusCode::OK, &bundle),
            None => StatusCode::NOT_MODIFIED.into_response(),
        })
    };
    counted(&engine, result.await)
}

fn asked(uri: &Uri) -> Result<Asked, Refused> {
    let query = axum::extract::Query::<Asked>::try_from_uri(uri);
    let axum::extract::Query(asked) =
        query.map_err(|_unreadable| Refused::Invalid("the query cannot be read".to_owned()))?;
    if asked.function.len() > wire::NAME_BYTES
        || asked.cursor.as_ref().is_some_and(|cursor| cursor.len() > wire::CURSOR_BYTES)
    {
        return Err(Refused::Invalid("the query is too long".to_owned()));
    }
    Ok(asked)
}

/// Who asks: the role that the Function URL has checked, else the key that signed.
async fn sender<S: Store>(engine: &Engine<S>, parts: &Parts, body: &[u8]) -> Result<Sender, Refused> {
    if let Some((account, arn)) = caller(parts) {
        return engine.caller(&account, &arn).await;
    }
    let header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
    let header = header.ok_or(Refused::Unauthorized)?;
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    engine.agent(header, Signed { method, path, query, body }).await
}

/// What the Function URL says of the caller. It lies beside the request, where no header can reach.
fn caller(parts: &Parts) -> Option<(String, String)> {
    let RequestContext::ApiGatewayV2(context) = parts.extensions.get::<RequestContext>()? else {
        return None;
    };
    let iam = context.authorizer.as_ref()?.iam.as_ref()?;
    Some((iam.account_id.clone()?, iam.user_arn.clone()?))
}

async fn whole(headers: &HeaderMap, body: Body) -> Result<Bytes, Refused> {
    let told =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > wire::BATCH_BYTES) {
        return Err(Refused::TooLarge);
    }
    to_bytes(body, wire::BATCH_BYTES).await.map_err(|_error| Refused::TooLarge)
}

fn refusal(error: DecodeError) -> Refused {
    match error {
        DecodeError::TooLarge => Refused::TooLarge,
        DecodeError::Shape(refusal) => Refused::Shape(refusal),
        other => Refused::Invalid(other.to_string()),
    }
}

/// Methods that agents use, for the OpenAPI file.
pub(super) const PATHS: &[(Method, &str)] =
    &[(Method::POST, BATCHES), (Method::GET, FLAGS), (Method::GET, POLICY)];
