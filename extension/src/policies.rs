//! Which policy decides: signed kill switch, then `PICKET_MODE` over whatever follows, then the engine's, the file that
//! `PICKET_POLICY` names, /var/task/picket.policy, and the built-in one that the settings make. Whole policies replace
//! each other; floors add up. docs/policy-precedence.md says it to owners.
//!
//! It may not judge requests.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use picket_cloud_protocol::{Bundle, FALLEN_BACK};
use picket_lambda_event::Options;
use picket_policy::{
    BlockLine, Exclusion, Geo, GeoTables, Mode, Policy,
    bundle::{Expectation, Offer, accept, digest},
    limits,
};
use picket_report::Redactor;
use picket_request::Request;
use serde_json::json;

use crate::{
    log::{Log, now_ms},
    retreat::Retreat,
    settings::LogLevel,
};

/// Where a policy may lie beside the function's code.
const BESIDE: &str = "/var/task/picket.policy";
/// Bytes of one MaxMind file.
const GEO_BYTES: u64 = 64 * 1024 * 1024;

/// A policy that decides, with what belongs to it.
pub(crate) struct Decides {
    pub(crate) policy: Arc<Policy>,
    /// Where it came from, as the log names it.
    pub(crate) source: String,
    /// How events are read under it.
    pub(crate) read: Options,
    /// What it withholds from everything that leaves.
    pub(crate) redactor: Redactor,
    /// Whether blocking under it was given up.
    pub(crate) retreat: Arc<Retreat>,
    geo: Arc<OnceLock<GeoTables>>,
}

impl Decides {
    /// What is known of the client's address; nothing until its files were read.
    pub(crate) fn geo(&self, request: &Request) -> Geo {
        match (self.geo.get(), request.client.addr) {
            (Some(tables), Some(address)) => tables.look(address),
            _ => Geo::default(),
        }
    }
}

/// The policies that are known, and which one decides.
pub(crate) struct Policies {
    levels: RwLock<Levels>,
    mode: Option<Mode>,
    /// What `PICKET_EXCLUDE` names: an owner's remedy at hand, so it holds whichever policy decides.
    exclusions: Vec<Exclusion>,
    /// The floors of all files that could be read, also of those that do not decide.
    floors: Vec<(Option<Mode>, Option<BlockLine>)>,
    read: Options,
    redactor: MakeRedactor,
    log: Arc<Log>,
}

struct Levels {
    kill: Option<(Arc<Decides>, u64)>,
    engine: Option<(Arc<Decides>, u64)>,
    /// The version of the signed policy that was taken last.
    newest: u64,
    /// What decides without the engine.
    own: Arc<Decides>,
}

/// What the policies are made of.
pub(crate) struct Sources {
    /// What the settings make.
    pub(crate) built_in: Policy,
    /// `PICKET_MODE`, where it was set.
    pub(crate) mode: Option<Mode>,
    /// `PICKET_POLICY`, where it was set.
    pub(crate) path: Option<PathBuf>,
    pub(crate) read: Options,
    /// What is withheld under a policy.
    pub(crate) redactor: MakeRedactor,
}

/// Makes the redactor of a policy.
pub(crate) type MakeRedactor = Box<dyn Fn(&Policy) -> Redactor + Send + Sync>;

impl Policies {
    /// Reads the policy that lies on this machine. This comes before the first event and is bounded: one file is read,
    /// and nothing in it is compiled. MaxMind files are read later, on a thread of their own.
    pub(crate) fn new(sources: Sources, log: Arc<Log>) -> Self {
        let Sources { mut built_in, mode, path, read, redactor } = sources;
        let named =
            path.iter().filter_map(|path| load(path, &log, true).map(|policy| (path.clone(), policy)));
        let beside = std::iter::once_with(|| {
            load(Path::new(BESIDE), &log, false).map(|policy| (PathBuf::from(BESIDE), policy))
        });
        // Both are read, because the floor of one that does not decide still holds.
        let mut files: Vec<(PathBuf, Policy)> = named.chain(beside.flatten()).collect();
        let floors = files.iter().map(|(_, policy)| (policy.floor_mode, policy.floor_block_on)).collect();
        let exclusions = std::mem::take(&mut built_in.exclusions);
        let (source, folder, policy) = if files.is_empty() {
            ("built-in".to_owned(), None, built_in)
        } else {
            let (path, policy) = files.swap_remove(0);
            (path.display().to_string(), path.parent().map(Path::to_owned), policy)
        };
        let mut policies = Self {
            levels: RwLock::new(Levels {
                kill: None,
                engine: None,
                newest: 0,
                own: Arc::new(Decides {
                    policy: Arc::default(),
                    source: String::new(),
                    read: Options::default(),
                    redactor: redactor(&Policy::default()),
                    retreat: Arc::new(Retreat::new(&Policy::default(), Arc::clone(&log))),
                    geo: Arc::default(),
                }),
            }),
            mode,
            exclusions,
            floors,
            read,
            redactor,
            log,
        };
        let own = policies.decides(policy, source);
        policies.read_geo(&own, folder);
        if let Ok(levels) = policies.levels.get_mut() {
            levels.own = Arc::new(own);
        }
        policies
    }

    /// The policy that decides now.
    pub(crate) fn current(&self) -> Arc<Decides> {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        let now = now_ms() / 1000;
        let of = |level: &Option<(Arc<Decides>, u64)>| {
            level.as_ref().filter(|(_, expires)| now < *expires).map(|(decides, _)| Arc::clone(decides))
        };
        of(&levels.kill).or_else(|| of(&levels.engine)).unwrap_or_else(|| Arc::clone(&levels.own))
    }

    /// The mode that holds for a function now, as the engine's inventory names it.
    pub(crate) fn mode(&self, function: &str) -> String {
        let current = self.current();
        let mode = current.policy.mode_of(function);
        if mode == Mode::Block && current.retreat.has_fallen() {
            FALLEN_BACK.to_owned()
        } else {
            mode.to_string()
        }
    }

    /// The version of the signed policy that was taken last, 0 for none. Where that was a kill switch, which is over, and no
    /// other came before it, this environment is like a new one: what was in force before the kill switch may come.
    pub(crate) fn version(&self) -> u64 {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        let is_over = |(_, expires): &(Arc<Decides>, u64)| *expires <= now_ms() / 1000;
        if levels.engine.is_none() && levels.kill.as_ref().is_some_and(is_over) { 0 } else { levels.newest }
    }

    /// Takes the engine's signed policy, or says in the log why not; what decided so far then goes on deciding.
    pub(crate) fn offer(&self, bundle: &Bundle, function: &str, site: &str, public_key: &[u8; 32]) -> bool {
        let signed_text = bundle.signing_text(&digest(bundle.policy.as_bytes()));
        let offer = Offer {
            site: &bundle.site,
            for_this_function: bundle.is_for(function),
            version: bundle.version,
            not_before: bundle.not_before,
            expires: bundle.expires,
            policy: bundle.policy.as_bytes(),
            signed_text: signed_text.as_bytes(),
            signature: &bundle.sig,
        };
        let expected = Expectation { public_key, site, newest: self.version(), now: now_ms() / 1000 };
        match accept(&offer, &expected) {
            Ok(accepted) => {
                let kill = accepted.policy.kill_switch;
                let source = if kill { "kill switch" } else { "engine" };
                let decides = self.decides(accepted.policy, source.to_owned());
                self.read_geo(&decides, Some(PathBuf::from("/var/task")));
                let fields = [
                    ("policy", json!(source)),
                    ("version", json!(accepted.version)),
                    ("expires", json!(accepted.expires)),
                ];
                self.log.line(LogLevel::Info, "a signed policy was taken", &fields);
                let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
                levels.newest = accepted.version;
                let level = Some((Arc::new(decides), accepted.expires));
                if kill {
                    levels.kill = level;
                } else {
                    // A later policy that is no kill switch ends it.
                    levels.kill = None;
                    levels.engine = level;
                }
                true
            }
            Err(refusal) => {
                let fields = [("version", json!(bundle.version)), ("reason", json!(refusal.to_string()))];
                self.log.line(
                    LogLevel::Error,
                    "the engine's policy is refused; the last good one stays",
                    &fields,
                );
                false
            }
        }
    }

    /// A policy under `PICKET_MODE` and with its rule about the client's address.
    fn decides(&self, mut policy: Policy, source: String) -> Decides {
        if policy.kill_switch {
            policy.mode = Mode::Off;
            (policy.floor_mode, policy.mode_is_final) = (None, true);
        } else if let Some(mode) = self.mode {
            (policy.mode, policy.mode_is_final) = (mode, true);
        }
        if !policy.kill_switch {
            policy.exclusions.extend(self.exclusions.iter().cloned());
            for (mode, block_on) in &self.floors {
                policy.tighten(*mode, *block_on);
            }
        }
        let mut read = self.read.clone();
        read.hops.trusted.extend(policy.client.trusted.iter().copied());
        read.hops.cdn.extend(policy.client.cdn.iter().copied());
        let redactor = (self.redactor)(&policy);
        let retreat = Arc::new(Retreat::new(&policy, Arc::clone(&self.log)));
        Decides { policy: Arc::new(policy), source, read, redactor, retreat, geo: Arc::default() }
    }

    /// Reads the MaxMind files that a policy names, without anybody waiting for them.
    fn read_geo(&self, decides: &Decides, folder: Option<PathBuf>) {
        let files = decides.policy.geo.clone();
        if files.country.is_none() && files.asn.is_none() {
            return;
        }
        let (tables, log) = (Arc::clone(&decides.geo), Arc::clone(&self.log));
        let folder = folder.unwrap_or_default();
        let read = move || {
            let one = |name: Option<String>| {
                name.map(|name| read_bounded(&folder.join(name), GEO_BYTES)).transpose()
            };
            let all = one(files.country).and_then(|country| Ok((country, one(files.asn)?)));
            match all.and_then(|(country, asn)| GeoTables::new(country, asn)) {
                // Another reading cannot have come before this one.
                Ok(read) => {
                    drop(tables.set(read));
                    log.line(LogLevel::Info, "the policy's MaxMind files were read", &[]);
                }
                Err(error) => {
                    let message = "the policy's MaxMind files cannot be used; countries and ASNs are unknown";
                    log.line(LogLevel::Error, message, &[("reason", json!(error))]);
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("picket-geo".to_owned()).spawn(read) {
            let fields = [("reason", json!(error.to_string()))];
            self.log.line(LogLevel::Error, "no thread to read the policy's MaxMind files", &fields);
        }
    }
}

/// Loads a policy file, or says in the log why it cannot be used. A file that nobody named may be absent.
fn load(path: &Path, log: &Log, named: bool) -> Option<Policy> {
    if !named && !path.exists() {
        return None;
    }
    let read = read_bounded(path, limits::CANONICAL_BYTES as u64);
    match read.and_then(|bytes| Policy::read(&bytes).map_err(|error| error.to_string())) {
        Ok(mut policy) => {
            // Whoever can write a file could otherwise undo a floor: only what is signed switches everything off.
            if std::mem::take(&mut policy.kill_switch) {
                let fields = [("file", json!(path.display().to_string()))];
                let message = "killSwitch holds in a signed policy alone; it is left out, and the rest of this file is used";
                log.line(LogLevel::Warn, message, &fields);
            }
            Some(policy)
        }
        Err(reason) => {
            let fields = [("file", json!(path.display().to_string())), ("reason", json!(reason))];
            log.line(LogLevel::Error, "a policy cannot be used; the next one in line decides", &fields);
            None
        }
    }
}

/// Reads a file of at most so many bytes.
fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(fault)?;
    if read as u64 > limit {
        return Err(format!("{}: more than {limit} bytes", path.display()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use picket_policy::canonical::{Canonical, FORMAT, Floor};
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;
    use crate::settings::LogFormat;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("picket-policies-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn canonical(mode: Mode) -> Canonical {
        Canonical { picket: FORMAT, name: "shop".to_owned(), version: 3, mode, ..Canonical::default() }
    }

    fn policies(mode: Option<Mode>, path: Option<PathBuf>) -> Policies {
        let built_in = Policy { exclusions: vec!["SQLI@query.q".parse().unwrap()], ..Policy::default() };
        let log = Arc::new(Log::new(LogLevel::Error, LogFormat::Json, 0));
        Policies::new(
            Sources {
                built_in,
                mode,
                path,
                read: Options::default(),
                redactor: Box::new(|_| Redactor::new([], [])),
            },
            log,
        )
    }

    fn bundle(version: u64, canonical: &Canonical) -> (Bundle, [u8; 32]) {
        let mut bundle = Bundle {
            site: "shop".to_owned(),
            functions: vec!["shop-*".to_owned()],
            version,
            not_before: 0,
            expires: u64::MAX,
            policy: String::from_utf8(canonical.write()).unwrap(),
            sig: String::new(),
        };
        let text = bundle.signing_text(&digest(bundle.policy.as_bytes()));
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        bundle.sig = URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes()));
        (bundle, pair.public_key().as_ref().try_into().unwrap())
    }

    #[test]
    fn without_a_file_the_settings_decide_and_a_named_file_replaces_them() {
        let built_in = policies(None, None).current();
        assert_eq!((built_in.source.as_str(), built_in.policy.mode), ("built-in", Mode::Log));
        let folder = folder("named");
        let file = folder.join("a.policy");
        fs::write(&file, canonical(Mode::Block).write()).unwrap();
        let named = policies(None, Some(file.clone())).current();
        assert_eq!((named.source.as_str(), named.policy.mode), (file.to_str().unwrap(), Mode::Block));
        assert_eq!(named.policy.exclusions.len(), 1, "PICKET_EXCLUDE holds over a file too");
        assert_eq!(policies(Some(Mode::Off), Some(file)).current().policy.mode, Mode::Off);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_broken_or_absent_file_leaves_the_next_one_in_line() {
        let folder = folder("broken");
        for (name, bytes) in [("cut", &canonical(Mode::Block).write()[..20]), ("yaml", b"picket: 1")] {
            let file = folder.join(name);
            fs::write(&file, bytes).unwrap();
            assert_eq!(policies(None, Some(file)).current().source, "built-in", "{name}");
        }
        assert_eq!(policies(None, Some(folder.join("absent"))).current().source, "built-in");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_engine_replaces_the_file_and_its_floor_holds_over_picket_mode() {
        let policies = policies(Some(Mode::Off), None);
        let floor = Some(Floor { mode: Some(Mode::Block), ..Floor::default() });
        let (bundle, key) = bundle(7, &Canonical { floor, ..canonical(Mode::Log) });
        assert!(policies.offer(&bundle, "shop-api", "shop", &key));
        let current = policies.current();
        assert_eq!((current.source.as_str(), policies.version()), ("engine", 7));
        assert!(current.policy.may_inspect(), "the floor says block");
        assert!(!policies.offer(&bundle, "other", "shop", &key), "another function's");
        assert!(!policies.offer(&bundle, "shop-api", "shop", &[1; 32]), "another key's");
    }

    #[test]
    fn the_kill_switch_ends_everything_until_a_later_policy_comes() {
        let policies = policies(Some(Mode::Block), None);
        let (kill, key) = bundle(8, &Canonical { kill_switch: true, ..canonical(Mode::Block) });
        assert!(policies.offer(&kill, "shop-api", "shop", &key));
        assert!(!policies.current().policy.may_inspect());
        let (later, key) = bundle(9, &canonical(Mode::Log));
        assert!(policies.offer(&later, "shop-api", "shop", &key));
        assert_eq!(policies.current().policy.mode, Mode::Block, "PICKET_MODE again");
        assert!(!policies.offer(&kill, "shop-api", "shop", &key), "an older one does not come back");
    }

    #[test]
    fn whoever_was_born_under_a_kill_switch_takes_what_was_in_force_before_once_it_is_over() {
        let policies = policies(None, None);
        let (kill, key) = bundle(8, &Canonical { kill_switch: true, ..canonical(Mode::Block) });
        let (before, _) = bundle(7, &canonical(Mode::Block));
        assert!(policies.offer(&kill, "shop-api", "shop", &key));
        assert!(!policies.offer(&before, "shop-api", "shop", &key), "while it holds");
        let end = |expires| {
            let mut levels = policies.levels.write().unwrap();
            levels.kill.as_mut().unwrap().1 = expires;
        };
        end(1);
        assert_eq!((policies.version(), policies.current().source.as_str()), (0, "built-in"));
        assert!(policies.offer(&before, "shop-api", "shop", &key));
        assert_eq!((policies.version(), policies.current().policy.mode), (7, Mode::Block));
        // Whoever has had one keeps it, and takes nothing older than the kill switch.
        let (again, _) = bundle(9, &Canonical { kill_switch: true, ..canonical(Mode::Block) });
        assert!(policies.offer(&again, "shop-api", "shop", &key));
        end(1);
        assert_eq!((policies.version(), policies.current().source.as_str()), (9, "engine"));
        let (older, _) = bundle(8, &canonical(Mode::Log));
        assert!(!policies.offer(&older, "shop-api", "shop", &key));
    }
}
