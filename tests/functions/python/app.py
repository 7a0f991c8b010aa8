"""The example handler in Python.

It says what it got to the byte: the runtime client's own unmarshalling is watched, because a handler sees the parsed event only.
"""

import hashlib
import json
import os
import time

from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

raw = {"event": b""}
parse = LambdaMarshaller.unmarshal_request


def watch(self, request, content_type="application/json"):
    raw["event"] = request if isinstance(request, bytes) else request.encode("utf-8", "surrogatepass")
    return parse(self, request, content_type)


LambdaMarshaller.unmarshal_request = watch


def handler(event, context):
    seen = {"sha256": hashlib.sha256(raw["event"]).hexdigest(), "length": len(raw["event"])}
    print("handler-called", context.aws_request_id, json.dumps(seen), flush=True)
    path = event.get("rawPath") if isinstance(event, dict) else None
    if path == "/fail":
        raise RuntimeError("failed on purpose")
    if path == "/slow":
        time.sleep(float(event.get("seconds", 1)))
    if path == "/exit":
        os._exit(3)
    if path == "/environment":
        seen["variables"] = dict(os.environ)
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(seen)}
