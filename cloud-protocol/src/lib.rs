//! The wire types between agent and engine.
