//! A desk at which requests to the engine over HTTP are handed in. Knows signatures and tokens; not what the engine makes of them.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "each test program uses a part of it"
)]

use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use picket_cloud_engine::auth::{Role, public_key};
use picket_cloud_engine::engine::Engine;
use picket_cloud_engine::http::router;
use picket_cloud_engine::text::{base64, sha256, unbase64};
use picket_cloud_protocol::{Batch, Bundle, Secret, Signature, signing_text};
use ring::signature::Ed25519KeyPair;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::bed::{self, File, NOW, Time, engine, site};

pub struct Desk {
    pub engine: Arc<Engine<Arc<File>>>,
    pub router: Router,
    pub time: Time,
    pub secret: Secret,
    pub policy_seed: [u8; 32],
}

pub async fn desk() -> Desk {
    let time = Time::new();
    let engine = Arc::new(engine(bed::sqlite(), &time));
    let policy_seed = [9; 32];
    let public = base64(&public_key(&policy_seed).expect("a key"));
    engine.create_site(&site("shop"), &public).await.expect("a site");
    let secret = engine.create_key(&site("shop"), "", "test").await.expect("a key");
    Desk { router: router(Arc::clone(&engine)), engine, time, secret, policy_seed }
}

pub fn pair(secret: &Secret) -> Ed25519KeyPair {
    let seed = unbase64(&secret.private_key).expect("base64");
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key")
}

/// The header of an honest agent.
pub fn signature(secret: &Secret, method: &str, path: &str, query: &str, time: u64, body: &[u8]) -> String {
    let text = signing_text(method, path, query, &secret.audience, time, &sha256(body));
    let sig = pair(secret).sign(text.as_bytes()).as_ref().try_into().expect("64 bytes");
    Signature { kid: secret.id.clone(), time, sig }.to_header()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

impl Desk {
    pub async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn send(&self, header: &str, coding: Option<&str>, body: Vec<u8>) -> (StatusCode, Value) {
        let mut request = Request::post("/v1/batches").header("picket-signature", header);
        if let Some(coding) = coding {
            request = request.header("content-encoding", coding);
        }
        self.ask(request.body(Body::from(body)).expect("a request")).await
    }

    /// Sends bytes with a good signature.
    pub async fn signed(&self, coding: Option<&str>, body: Vec<u8>) -> (StatusCode, Value) {
        let header = signature(&self.secret, "POST", "/v1/batches", "", NOW, &body);
        self.send(&header, coding, body).await
    }

    pub async fn get(&self, path: &str, query: &str) -> (StatusCode, Value) {
        let header = signature(&self.secret, "GET", path, query, NOW, b"");
        let request = Request::get(format!("{path}?{query}")).header("picket-signature", header);
        self.ask(request.body(Body::empty()).expect("a request")).await
    }

    pub async fn admin(&self, token: &str, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.ask(request.body(body).expect("a request")).await
    }

    pub async fn token(&self, role: Role) -> String {
        self.engine.create_credential(&site("shop"), role, "", "test").await.expect("a token")
    }

    pub fn bundle(&self, version: u64, policy: &Value) -> Bundle {
        let mut bundle = Bundle {
            site: "shop".to_owned(),
            functions: vec!["*".to_owned()],
            version,
            not_before: 0,
            expires: NOW + 1_000,
            policy: policy.to_string(),
            sig: String::new(),
        };
        self.sign(&mut bundle);
        bundle
    }

    pub fn sign(&self, bundle: &mut Bundle) {
        let text = bundle.signing_text(&sha256(bundle.policy.as_bytes()));
        let key = Ed25519KeyPair::from_seed_unchecked(&self.policy_seed).expect("a key");
        bundle.sig = base64(key.sign(text.as_bytes()).as_ref());
    }
}

pub fn bytes(batch: &Batch) -> Vec<u8> {
    serde_json::to_vec(batch).expect("JSON")
}
