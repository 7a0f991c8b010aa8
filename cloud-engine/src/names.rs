//! Where each kind of item lies. Knows the layout of the table; not what is done with it.
//!
//! Every partition but those of keys, callers and credentials begins with its site, which always comes from a credential: what
//! one site reads or writes cannot lie in another's partitions.

use picket_cloud_protocol::ClientKey;

use crate::store::Key;

/// A site's name, checked: it holds no separator, so it cannot reach into another site's partitions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site(String);

impl Site {
    /// A name of 1 to 48 lower-case letters, digits and dashes.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        ((1..=48).contains(&name.len()) && name.bytes().all(word)).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn partition(&self, part: &str) -> String {
        format!("S#{}#{part}", self.0)
    }

    /// Versions, epoch and public keys.
    #[must_use]
    pub fn meta(&self) -> Key {
        Key::new(self.partition("meta"), "meta")
    }

    /// What the owner set.
    #[must_use]
    pub fn settings(&self) -> Key {
        Key::new(self.partition("meta"), "settings")
    }

    /// That a part of a batch was counted.
    #[must_use]
    pub fn marker(&self, batch: &str, part: usize) -> Key {
        Key::new(self.partition(&format!("batch#{batch}")), format!("{part:04}"))
    }

    /// The partition of a client's counters.
    #[must_use]
    pub fn client(&self, client: &ClientKey) -> String {
        self.partition(&format!("client#{client}"))
    }

    /// A client's counters of a minute.
    #[must_use]
    pub fn counter(&self, client: &ClientKey, minute: u64, shard: u64) -> Key {
        Key::new(self.client(client), format!("{}#{shard}", minute_text(minute)))
    }

    /// The sessions of an address in an hour.
    #[must_use]
    pub fn sessions(&self, client: &ClientKey, hour: u64) -> Key {
        Key::new(self.partition(&format!("sessions#{client}")), minute_text(hour))
    }

    /// The sketch of the clients seen in an hour.
    #[must_use]
    pub fn seen(&self, hour: u64) -> Key {
        Key::new(self.partition("seen"), minute_text(hour))
    }

    /// The partition of counts over time, of one day.
    #[must_use]
    pub fn series(&self, day: u64) -> String {
        self.partition(&format!("series#{day:06}"))
    }

    /// The partition of single requests, of one day.
    #[must_use]
    pub fn events(&self, day: u64) -> String {
        self.partition(&format!("event#{day:06}"))
    }

    /// The partition of flags by client.
    #[must_use]
    pub fn flags(&self) -> String {
        self.partition("flag")
    }

    /// The partition of flags by version.
    #[must_use]
    pub fn versions(&self) -> String {
        self.partition("version")
    }

    /// How many clients were flagged in these ten minutes without anybody's hand.
    #[must_use]
    pub fn automatic(&self, now: u64) -> Key {
        Key::new(self.partition("automatic"), minute_text(now / 600))
    }

    /// That a trouble of a function was told of within this hour.
    #[must_use]
    pub fn trouble(&self, what: &str, function: &str, now: u64) -> Key {
        Key::new(self.partition("trouble"), format!("{}#{what}#{function}", minute_text(now / 3_600)))
    }

    /// The partition of the inventory.
    #[must_use]
    pub fn fleet(&self) -> String {
        self.partition("fleet")
    }

    /// The partition of environments.
    #[must_use]
    pub fn environments(&self) -> String {
        self.partition("environment")
    }

    /// The partition of a month's audit.
    #[must_use]
    pub fn audit(&self, month: &str) -> String {
        self.partition(&format!("audit#{month}"))
    }

    /// The partition of notifications that wait.
    #[must_use]
    pub fn outbox(&self) -> String {
        self.partition("outbox")
    }

    /// The partition of policies.
    #[must_use]
    pub fn policies(&self) -> String {
        self.partition("policy")
    }

    /// The partition that lists the site's agent keys.
    #[must_use]
    pub fn keys(&self) -> String {
        self.partition("key")
    }

    /// The partition that lists the site's administrators.
    #[must_use]
    pub fn credentials(&self) -> String {
        self.partition("credential")
    }

    /// The partition that lists the roles of AWS that are agents of the site.
    #[must_use]
    pub fn callers(&self) -> String {
        self.partition("caller")
    }
}

/// The list of sites.
#[must_use]
pub fn sites() -> String {
    "sites".to_owned()
}

/// An agent's public key, by its id.
#[must_use]
pub fn agent_key(id: &str) -> Key {
    Key::new(format!("K#{id}"), "key")
}

/// An administrator's credential, by its id.
#[must_use]
pub fn credential(id: &str) -> Key {
    Key::new(format!("A#{id}"), "credential")
}

/// A role of an AWS account.
#[must_use]
pub fn caller(account: &str, role: &str) -> Key {
    Key::new(format!("I#{account}"), role)
}

/// A number that sorts as text.
#[must_use]
pub fn minute_text(number: u64) -> String {
    format!("{number:010}")
}

/// A version that sorts as text.
#[must_use]
pub fn version_text(version: u64) -> String {
    format!("{version:020}")
}
