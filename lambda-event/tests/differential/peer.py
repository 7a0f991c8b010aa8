"""Reads what a Python handler would read out of the same request, with the parsers of its standard library.

One request a line: {"kind", "data" (base64), "type"}. One answer a line: the base64 of every string that came out.
"""

import base64
import email.parser
import email.policy
import http.cookies
import io
import json
import sys
import urllib.parse
import warnings

warnings.simplefilter("ignore")
try:
    import cgi  # Gone in Python 3.13, and still in use in what was written before.
except ImportError:
    cgi = None

sys.setrecursionlimit(2000)


def strings(value):
    """Every key and string, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)


def pairs(items):
    """As `object_pairs_hook`: duplicates are kept, for those who read the first."""
    return [list(item) for item in items]


def attempt(out, read):
    try:
        out.extend(read())
    except Exception:  # A parser that refuses the text yields nothing.
        pass


def read_json(data, out):
    attempt(out, lambda: strings(json.loads(data)))
    attempt(out, lambda: strings(json.loads(data.decode("utf-8", "replace"), object_pairs_hook=pairs)))
    attempt(out, lambda: strings(json.loads(data.decode("utf-8-sig", "replace"), strict=False)))


def read_query(data, out):
    text = data.decode("utf-8", "replace")
    attempt(out, lambda: strings(urllib.parse.parse_qsl(text, keep_blank_values=True)))
    # As Python split before 3.9.2, and PHP's and Java's older containers do.
    attempt(out, lambda: strings(urllib.parse.parse_qsl(text.replace(";", "&"), keep_blank_values=True)))
    attempt(out, lambda: strings(urllib.parse.parse_qsl(data.decode("latin-1"), encoding="latin-1")))
    if cgi:
        attempt(out, lambda: strings([field.value for field in field_storage(data, "application/x-www-form-urlencoded").list]))


def field_storage(data, content_type):
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(data))}
    return cgi.FieldStorage(fp=io.BytesIO(data), environ=environ, keep_blank_values=True)


def read_cookie(data, out):
    def cookies():
        jar = http.cookies.SimpleCookie()
        jar.load(data.decode("utf-8", "replace"))
        return [text for morsel in jar.values() for text in (morsel.key, morsel.value, morsel.coded_value)]

    attempt(out, cookies)


def read_multipart(data, content_type, out):
    def by_email():
        head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
        message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head + data)
        for part in message.get_payload() if message.is_multipart() else []:
            name = part.get_param("name", header="content-disposition")
            yield from (text for text in (name, part.get_filename()) if isinstance(text, str))
            content = part.get_payload(decode=True)
            if content:
                yield content.decode("utf-8", "replace")

    attempt(out, by_email)
    if cgi:
        attempt(out, lambda: [
            text if isinstance(text, str) else text.decode("utf-8", "replace")
            for field in field_storage(data, content_type).list
            for text in (field.name, field.filename, field.value)
            if text
        ])


def read_base64(data, out):
    text = data.decode("utf-8", "replace")
    attempt(out, lambda: [base64.b64decode(text).decode("utf-8", "replace")])
    attempt(out, lambda: [base64.urlsafe_b64decode(text).decode("utf-8", "replace")])


for line in sys.stdin:
    request = json.loads(line)
    data, out = base64.b64decode(request["data"]), []
    kind = request["kind"]
    if kind == "json":
        read_json(data, out)
    elif kind in ("query", "form"):
        read_query(data, out)
    elif kind == "cookie":
        read_cookie(data, out)
    elif kind == "multipart":
        read_multipart(data, request["type"], out)
    elif kind == "base64":
        read_base64(data, out)
    # Half surrogate pairs have no bytes in UTF-8; whoever compares leaves out what is not ASCII.
    answer = [base64.b64encode(text.encode("utf-8", "surrogatepass")).decode() for text in dict.fromkeys(out)]
    print(json.dumps(answer), flush=True)
