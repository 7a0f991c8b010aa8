//! The watchers: one file each, with a fixture file of the same stem in `fixtures/response/`, and one line in this list.

use super::{Answer, Found};

/// One watcher: its name, and how it looks.
pub struct Watcher {
    /// The stem of its file and of its fixture file.
    pub name: &'static str,
    /// Raised with every change of what it finds.
    pub version: u16,
    /// Looks at one answer. It must take linear time.
    pub look: fn(&Answer<'_>, &mut Found),
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

macro_rules! watchers {
    ($($name:ident,)*) => {
        $(mod $name;)*
        static ALL: &[&Watcher] = &[$(&$name::WATCHER,)*];
    };
}

watchers! {
    http_status,
    response_size,
    response_time,
    function_error,
    forceful_browsing,
    secret_leak,
    error_leak,
    reflected,
    // Builds on what the others found.
    impact_confirmed,
}

/// Every watcher, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Watcher> {
    ALL.iter().copied()
}
