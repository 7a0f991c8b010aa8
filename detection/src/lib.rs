//! Values to findings.
