//! API Gateway REST APIs, and HTTP APIs with payload format 1.0.

use picket_content::Text;

use super::Source;
use crate::{
    answer::{self, Mode},
    context::{Context, Event},
    leftovers::{self, Known, Table},
    reader::Ids,
};

pub(super) const SOURCE: Source = Source {
    name: "rest-v1",
    can_block: true,
    counts: true,
    recognise,
    read,
    answer: |_, block, mode| {
        Some(match mode {
            Mode::Buffered => answer::response(&answer::proxy(block)),
            // Response streaming of REST APIs (since November 2025) wants the prelude of an HTTP integration.
            Mode::Streaming => {
                let mut prelude = answer::proxy(block);
                if let Some(prelude) = prelude.as_object_mut() {
                    prelude.remove("body");
                    prelude.remove("isBase64Encoded");
                }
                answer::streaming(&prelude, &block.body)
            }
        })
    },
};

fn recognise(event: Event<'_>) -> bool {
    event.has(&["httpMethod"])
        && event.object(&["requestContext"])
        && (event.has(&["resource"]) || event.is(&["version"], "1.0"))
        && !event.has(&["requestContext", "elb"])
        && !event.has(&["requestContext", "connectionId"])
        && !event.has(&["methodArn"])
}

/// What API Gateway itself writes into a request context of format 1.0.
pub(super) const REQUEST_CONTEXT: Table = &[
    ("accountId", Known::Platform),
    ("apiId", Known::Platform),
    ("apiKeyId", Known::Platform),
    ("connectedAt", Known::Platform),
    ("connectionId", Known::Platform),
    ("deploymentId", Known::Platform),
    ("domainName", Known::Platform),
    ("domainPrefix", Known::Platform),
    ("error", Known::Platform),
    ("eventType", Known::Platform),
    ("extendedRequestId", Known::Platform),
    ("httpMethod", Known::Repeats),
    ("identity", Known::Object(IDENTITY)),
    ("integrationLatency", Known::Platform),
    ("messageDirection", Known::Platform),
    ("messageId", Known::Platform),
    ("operationName", Known::Platform),
    ("path", Known::Repeats),
    ("protocol", Known::Platform),
    ("requestId", Known::Platform),
    ("requestTime", Known::Platform),
    ("requestTimeEpoch", Known::Platform),
    ("resourceId", Known::Platform),
    ("resourcePath", Known::Platform),
    ("routeKey", Known::Platform),
    ("stage", Known::Platform),
    ("status", Known::Platform),
];

const IDENTITY: Table = &[
    ("accessKey", Known::Platform),
    ("accountId", Known::Platform),
    ("apiKey", Known::Platform),
    ("apiKeyId", Known::Platform),
    ("caller", Known::Platform),
    ("clientCert", Known::Object(&[("clientCertPem", Known::Platform)])),
    ("cognitoAuthenticationProvider", Known::Platform),
    ("cognitoAuthenticationType", Known::Platform),
    ("cognitoIdentityId", Known::Platform),
    ("cognitoIdentityPoolId", Known::Platform),
    ("principalOrgId", Known::Platform),
    ("sourceIp", Known::Platform),
    ("user", Known::Platform),
    ("userAgent", Known::Repeats),
    ("userArn", Known::Platform),
    ("vpcId", Known::Platform),
    ("vpceId", Known::Platform),
];

const EVENT: Table = &[
    ("httpMethod", Known::Repeats),
    ("requestContext", Known::Object(REQUEST_CONTEXT)),
    ("resource", Known::Platform),
    ("stageVariables", Known::Platform),
    ("version", Known::Platform),
];

/// Collects the parts that all events of format 1.0 have alike.
pub(super) fn collect(context: &mut Context<'_>) {
    context.parts.method = context.take(&["httpMethod"]).unwrap_or_default();
    // Whether the gateway decoded the path before is not documented and has changed, so one more reading is made.
    context.parts.path = Text { span: context.take(&["path"]).unwrap_or_default(), encoded: true };
    context.headers("headers", "multiValueHeaders");
    // Parameters come decoded in this format.
    context.query_pairs(false);
    context.parts.path_parameters = context.pairs("pathParameters");
    context.content.secure = Some(true);
    ids(context);
    context.client(&["requestContext", "identity", "sourceIp"]);
}

/// Identifiers as API Gateway and Function URLs name them, in either format.
pub(super) fn ids(context: &mut Context<'_>) {
    context.envelope.ids = Ids {
        request: context.string(&["requestContext", "requestId"]),
        account: context.string(&["requestContext", "accountId"]),
        api: context.string(&["requestContext", "apiId"]),
        stage: context.string(&["requestContext", "stage"]),
        route: match context.string(&["requestContext", "resourcePath"]) {
            path if path.is_empty() => context.string(&["routeKey"]),
            path => path,
        },
        connection: context.string(&["requestContext", "connectionId"]),
        ..Ids::default()
    };
}

fn read(context: &mut Context<'_>) {
    collect(context);
    context.body("isBase64Encoded");
    context.read_parts();
    leftovers::read(context, EVENT);
}
