//! The rotation of a site's secrets, over a real store and a vault that labels versions as Secrets Manager does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bed::Folder;
use picket_cloud_engine::engine::{Clock, Config, Engine};
use picket_cloud_engine::names::Site;
use picket_cloud_engine::rotate::{Failure, Rotation, Step, Vault};
use picket_cloud_engine::store::sqlite::Sqlite;
use serde_json::Value;

const AGENT: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:picket/shop/agent-AbCdEf";
const ADMIN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:picket/shop/admin-AbCdEf";

/// Versions and labels of each secret.
#[derive(Default)]
struct Labels {
    versions: BTreeMap<String, String>,
    stages: BTreeMap<String, String>,
}

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Labels>>);

impl Memory {
    fn begin(&self, secret: &str, text: &str) {
        let mut all = self.0.lock().unwrap();
        let labels = all.entry(secret.to_owned()).or_default();
        labels.versions.insert("first".to_owned(), text.to_owned());
        labels.stages.insert("AWSCURRENT".to_owned(), "first".to_owned());
    }

    fn current(&self, secret: &str) -> Value {
        let all = self.0.lock().unwrap();
        let labels = &all[secret];
        serde_json::from_str(&labels.versions[&labels.stages["AWSCURRENT"]]).unwrap()
    }
}

impl Vault for &Memory {
    async fn read(&self, secret: &str, stage: &str) -> Result<Option<(String, String)>, Failure> {
        let all = self.0.lock().unwrap();
        let version = all.get(secret).and_then(|labels| labels.stages.get(stage)).cloned();
        Ok(version.map(|version| (version.clone(), all[secret].versions[&version].clone())))
    }

    async fn put(&self, secret: &str, version: &str, text: String) -> Result<(), Failure> {
        let mut all = self.0.lock().unwrap();
        let labels = all.entry(secret.to_owned()).or_default();
        labels.versions.insert(version.to_owned(), text);
        labels.stages.insert("AWSPENDING".to_owned(), version.to_owned());
        Ok(())
    }

    async fn promote(&self, secret: &str, from: &str, to: &str) -> Result<(), Failure> {
        let mut all = self.0.lock().unwrap();
        let labels = all.get_mut(secret).unwrap();
        assert_eq!(labels.stages.insert("AWSCURRENT".to_owned(), to.to_owned()).as_deref(), Some(from));
        labels.stages.insert("AWSPREVIOUS".to_owned(), from.to_owned());
        labels.stages.remove("AWSPENDING");
        Ok(())
    }
}

async fn rotate(rotation: &Rotation<Sqlite, &Memory>, secret: &str, version: &str) {
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        // Each step may come twice, and the second changes nothing.
        for _ in 0..2 {
            let step = Step { step: step.to_owned(), secret: secret.to_owned(), token: version.to_owned() };
            rotation.step(&step).await.unwrap();
        }
    }
}

fn rotation(memory: &Memory) -> (Rotation<Sqlite, &Memory>, Folder) {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.0.join("picket.db")).unwrap();
    let config = Config { audience: "unused".to_owned(), url: String::new(), clock: Clock::System };
    let rotation = Rotation {
        engine: Arc::new(Engine::new(store, config)),
        vault: memory,
        site: Site::new("shop").unwrap(),
        agent_secret: "picket/shop/agent".to_owned(),
        admin_secret: "picket/shop/admin".to_owned(),
        policy_public_key: None,
        callers: vec![("123456789012".to_owned(), "shop-role".to_owned())],
    };
    (rotation, folder)
}

#[tokio::test]
async fn the_first_rotation_makes_site_key_and_administrator() {
    let memory = Memory::default();
    memory.begin(AGENT, r#"{"url":"https://engine.example/","audience":"picket:shop"}"#);
    memory.begin(ADMIN, r#"{"url":"https://engine.example/"}"#);
    let (rotation, folder) = rotation(&memory);
    rotate(&rotation, ADMIN, "a1").await;
    rotate(&rotation, AGENT, "k1").await;
    let (agent, admin) = (memory.current(AGENT), memory.current(ADMIN));
    assert_eq!(
        (&agent["url"], &agent["audience"]),
        (&"https://engine.example/".into(), &"picket:shop".into())
    );
    assert_eq!(agent["privateKey"].as_str().map(str::len), Some(43));
    let administrator = rotation.engine.administrator(admin["token"].as_str().unwrap()).await.unwrap();
    assert_eq!(administrator.site, rotation.site);
    assert!(admin["policyPrivateKey"].is_string(), "whoever deploys must be able to sign policies");
    let keys = rotation.engine.keys(&rotation.site).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].id, agent["id"].as_str().unwrap());
    drop(folder);
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_a_day_and_the_policy_key_is_kept() {
    let memory = Memory::default();
    memory.begin(AGENT, r#"{"url":"https://engine.example/","audience":"picket:shop"}"#);
    memory.begin(ADMIN, r#"{"url":"https://engine.example/"}"#);
    let (rotation, folder) = rotation(&memory);
    rotate(&rotation, ADMIN, "a1").await;
    rotate(&rotation, AGENT, "k1").await;
    let (first, first_admin) = (memory.current(AGENT), memory.current(ADMIN));
    rotate(&rotation, AGENT, "k2").await;
    rotate(&rotation, ADMIN, "a2").await;
    let (second, second_admin) = (memory.current(AGENT), memory.current(ADMIN));
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["policyPublicKey"], second["policyPublicKey"]);
    assert_eq!(first_admin["policyPrivateKey"], second_admin["policyPrivateKey"]);
    let keys = rotation.engine.keys(&rotation.site).await.unwrap();
    let find = |id: &Value| keys.iter().find(|key| key.id == id.as_str().unwrap()).unwrap();
    assert_eq!(find(&second["id"]).expires, 0);
    let left = find(&first["id"]).expires - rotation.engine.now();
    assert!((86_000..=86_400).contains(&left), "{left}");
    // The token before is good until the next rotation.
    let good =
        async |secret: &Value| rotation.engine.administrator(secret["token"].as_str().unwrap()).await.is_ok();
    assert!(good(&first_admin).await && good(&second_admin).await);
    rotate(&rotation, ADMIN, "a3").await;
    assert!(!good(&first_admin).await && good(&second_admin).await && good(&memory.current(ADMIN)).await);
    // A rotation that dies between moving the label and ending the old token leaves that to its second attempt.
    let step = |step: &str| Step { step: step.to_owned(), secret: ADMIN.to_owned(), token: "a4".to_owned() };
    rotation.step(&step("createSecret")).await.unwrap();
    (&memory).promote(ADMIN, "a3", "a4").await.unwrap();
    assert!(good(&second_admin).await);
    rotation.step(&step("finishSecret")).await.unwrap();
    assert!(!good(&second_admin).await && good(&memory.current(ADMIN)).await);
    drop(folder);
}

#[tokio::test(start_paused = true)]
async fn the_agents_key_waits_for_the_site_so_that_the_key_for_policies_is_not_lost() {
    let memory = Memory::default();
    memory.begin(AGENT, r#"{"url":"https://engine.example/","audience":"picket:shop"}"#);
    let (rotation, folder) = rotation(&memory);
    let step = Step { step: "createSecret".to_owned(), secret: AGENT.to_owned(), token: "k1".to_owned() };
    let told = rotation.step(&step).await.unwrap_err().to_string();
    assert!(told.contains("rotated first"), "{told}");
    assert!(rotation.engine.sites().await.unwrap().is_empty());
    drop(folder);
}

#[tokio::test]
async fn secrets_of_others_and_unknown_steps_are_refused() {
    let memory = Memory::default();
    let (rotation, folder) = rotation(&memory);
    for (step, secret) in [
        ("createSecret", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:picket/other/agent-AbCdEf"),
        (
            "createSecret",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:picket/shop/agent-more-AbCdEf",
        ),
        ("doEverything", AGENT),
        ("testSecret", AGENT),
    ] {
        let step = Step { step: step.to_owned(), secret: secret.to_owned(), token: "x".to_owned() };
        assert!(rotation.step(&step).await.is_err(), "{step:?}");
    }
    drop(folder);
}
