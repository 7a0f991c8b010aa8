//! What happens to a request that Picket could not inspect.

/// The one named value that says whether a fault inside Picket lets a request pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub enum OnFailure {
    /// The original bytes go through, and the fault is counted.
    #[default]
    Open,
    /// The request is blocked. Only an owner who said so gets this.
    Closed,
}

crate::words::words!(OnFailure { "open" = OnFailure::Open, "closed" = OnFailure::Closed, });
