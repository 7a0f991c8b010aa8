//! What is known of the target, which decides what would run there.

/// The language runtime of the function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Not known: everything is thought possible.
    #[default]
    Unknown,
    /// Python.
    Python,
    /// Node.js.
    Node,
    /// Java and other languages of its virtual machine.
    Java,
    /// .NET.
    DotNet,
    /// Ruby.
    Ruby,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// PHP, as custom runtimes bring it.
    Php,
}

/// What is known of the target of a request. It may lower confidence in what cannot run there, never hide a finding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile {
    /// The runtime, learned from its client's user agent.
    pub runtime: Runtime,
}
