"""The function that `cargo xtask demo` protects: a shop's search that says what reached it. It knows nothing of Picket."""

import base64
import json


def handler(event, context):
    http = event["requestContext"]["http"]
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode("utf-8", "replace")
    seen = {
        "method": http["method"],
        "path": event["rawPath"],
        "query": event.get("queryStringParameters") or {},
        "body": body[:200],
    }
    print("handler-called", context.aws_request_id, json.dumps(seen), flush=True)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"handler": "this is the function's own answer", "got": seen}) + "\n",
    }
