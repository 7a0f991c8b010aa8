//! One HTTPS client with compiled-in roots, for the engine and for AWS. It may not know what is sent.
