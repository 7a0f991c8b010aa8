"""An example function behind an HTTP API. It knows nothing of Picket: that is the point."""

import json


def handler(event, _context):
    """Answers with what reached it, so that one can see what did not."""
    http = event.get("requestContext", {}).get("http", {})
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(
            {
                "method": http.get("method"),
                "path": event.get("rawPath"),
                "query": event.get("queryStringParameters") or {},
            }
        ),
    }
