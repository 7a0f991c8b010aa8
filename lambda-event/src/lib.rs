//! Event envelopes to requests, verdicts to answers.
