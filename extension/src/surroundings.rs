//! Where a function runs and how it was reached, as rules ask for it. It reads names and takes nothing else apart.

use picket_lambda_event::Envelope;
use picket_policy::Surroundings;
use picket_request::Request;
use picket_runtime_proxy::Invocation;

/// What is known of a request's surroundings.
pub(crate) struct Place<'a> {
    function: &'a str,
    account: &'a str,
    tenant: &'a str,
    stage: &'a [u8],
    path_template: &'a [u8],
    scheme: &'static str,
}

impl<'a> Place<'a> {
    /// Reads what the invocation and the event say. An ARN is `arn:aws:lambda:region:account:function:name:alias`.
    pub(crate) fn of(invocation: &'a Invocation, request: &'a Request, envelope: &Envelope) -> Self {
        let mut parts = invocation.function_arn.as_deref().unwrap_or_default().split(':');
        let account = parts.nth(4).unwrap_or_default();
        let function = function_of(invocation.function_arn.as_deref());
        Self {
            function,
            account,
            tenant: invocation.tenant_id.as_deref().unwrap_or_default(),
            stage: request.bytes(envelope.ids.stage),
            path_template: envelope.path_template(request),
            scheme: envelope.scheme(request),
        }
    }

    /// As a policy takes it.
    pub(crate) const fn surroundings(&self) -> Surroundings<'a> {
        Surroundings {
            function: self.function,
            account: self.account,
            tenant: self.tenant,
            stage: self.stage,
            path_template: self.path_template,
            scheme: self.scheme,
        }
    }
}

/// The function's name in its ARN, `arn:aws:lambda:region:account:function:name:alias`; empty where there is none.
pub(crate) fn function_of(arn: Option<&str>) -> &str {
    arn.unwrap_or_default().split(':').nth(6).unwrap_or_default()
}
