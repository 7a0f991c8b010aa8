//! Raw HTTP parts to values.
