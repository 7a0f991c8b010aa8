//! What the readers of one request share: the request, what reading depends on, and how much may still be derived.
//!
//! It may not know any format.

use picket_request::{Anomaly, LocationId, Place, Request, Span, Value};

use crate::{Options, percent};

/// One reading of one request.
pub(crate) struct Reader<'r> {
    pub(crate) request: &'r mut Request,
    #[expect(dead_code, reason = "bearer tokens ask for the time; they land next")]
    pub(crate) options: Options,
}

impl<'r> Reader<'r> {
    pub(crate) const fn new(request: &'r mut Request, options: Options) -> Self {
        Self { request, options }
    }

    /// Undoes percent-encoding, and plus where asked for, raising what is odd. The raw span itself is the answer where
    /// nothing had to be undone.
    pub(crate) fn percent_decoded(&mut self, raw: Span, plus: bool, location: LocationId) -> Span {
        let bytes = self.request.bytes(raw);
        let seen = percent::scan(bytes, plus);
        let broken = seen.high && !seen.escaped && std::str::from_utf8(bytes).is_err();
        if seen.nul {
            self.request.anomalies.raise(Anomaly::NullByte, location);
        }
        if broken {
            self.request.anomalies.raise(Anomaly::NotUtf8, location);
        }
        if !seen.escaped {
            return raw;
        }
        let mut odd = percent::Odd::default();
        let text = self.request.derive(raw, |bytes, out| odd = percent::decode(bytes, plus, out));
        for (is, anomaly) in [
            (odd.invalid, Anomaly::InvalidEncoding),
            (odd.doubled, Anomaly::DoubleEncoding),
            (odd.nul, Anomaly::NullByte),
            (odd.not_utf8, Anomaly::NotUtf8),
        ] {
            if is {
                self.request.anomalies.raise(anomaly, location);
            }
        }
        text
    }

    /// Adds a value.
    pub(crate) fn push(
        &mut self,
        text: Span,
        raw: Span,
        place: Place,
        name: Span,
        location: LocationId,
    ) -> bool {
        self.request.push(Value { text, raw, place, name, location })
    }
}
