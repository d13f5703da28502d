"""The published purge APIs of Fastly, Cloudflare and CloudFront, on loopback, with a check of every request.

A request that violates the published contract is added to `problems` and rejected with 400.
"""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from bannerstream.devservers.ports import LOOPBACK

TOKEN = "a-token-with-the-right-to-purge"
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SERVICE, ZONE, DISTRIBUTION = "SU1Z0isxPaozGVKXdv0eY", "023e105f4ecef8ad9ca31a8372d0c353", "EDFDVBD632BHDS5"

Request = web.Request
Check = Callable[[Request, bytes], list[str]]
_VISIBLE = re.compile(r"[!-+\--~]{1,1024}")  # ASCII without spaces and commas


class Broken(Exception):
    """The request violates the API's contract."""


@dataclass
class PublishedApi:
    """One API. The responses of `script` are sent first, then it works as published."""

    check: Check
    respond: Callable[[list[str]], web.Response]
    batches: list[list[str]] = field(default_factory=list)
    """The tags or paths of each accepted call."""
    problems: list[str] = field(default_factory=list)
    script: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    stuck: bool = False
    """Repeat the first scripted response."""
    scripted: int = 0
    url: str = ""

    @property
    def dropped(self) -> list[str]:
        """Return the tags or paths of all accepted calls, in order."""
        return [each for batch in self.batches for each in batch]

    async def handle(self, request: Request) -> web.Response:
        """Check one request and respond."""
        body = await request.read()
        try:
            drops = self.check(request, body)
        except (Broken, KeyError, ValueError, msgspec.MsgspecError, ET.ParseError) as error:
            self.problems.append(repr(error))
            return web.Response(status=400, text=repr(error))
        if self.script:
            self.scripted += 1
            status, headers, text = self.script[0] if self.stuck else self.script.pop(0)
            return web.Response(status=status, headers=headers, text=text)
        self.batches.append(drops)
        return self.respond(drops)


def require(true: object, what: str) -> None:
    if not true:
        raise Broken(what)


def fastly() -> PublishedApi:
    """Return Fastly's batch purge (API reference, "Purging")."""

    def check(request: Request, body: bytes) -> list[str]:
        require((request.method, request.path) == ("POST", f"/service/{SERVICE}/purge"), request.path)
        require(request.headers["Fastly-Key"] == TOKEN, "Fastly-Key")
        require(request.headers["Accept"] == "application/json", "Accept")
        require(request.headers["Content-Type"] == "application/json", "Content-Type")
        require(request.headers["Fastly-Soft-Purge"] == "1", "Fastly-Soft-Purge")
        document = msgspec.json.decode(body, type=dict[str, list[str]])
        require(document.keys() == {"surrogate_keys"}, "members")
        keys = document["surrogate_keys"]
        require(1 <= len(keys) <= 256, f"{len(keys)} keys")
        require(all(_VISIBLE.fullmatch(key) for key in keys), "a key")
        return keys

    return PublishedApi(check, lambda keys: web.json_response(dict.fromkeys(keys, "108-1391560174-974124")))


def cloudflare() -> PublishedApi:
    """Return Cloudflare's purge by tag (API reference, "Purge Cached Content")."""

    def check(request: Request, body: bytes) -> list[str]:
        require((request.method, request.path) == ("POST", f"/zones/{ZONE}/purge_cache"), request.path)
        require(request.headers["Authorization"] == f"Bearer {TOKEN}", "Authorization")
        require(request.headers["Content-Type"] == "application/json", "Content-Type")
        document = msgspec.json.decode(body, type=dict[str, list[str]])
        require(document.keys() == {"tags"}, "members")
        tags = document["tags"]
        require(1 <= len(tags) <= 100, f"{len(tags)} tags")
        require(all(_VISIBLE.fullmatch(tag) for tag in tags), "a tag")
        return tags

    done = {"success": True, "errors": [], "messages": [], "result": {"id": ZONE}}
    return PublishedApi(check, lambda _: web.json_response(done))


def cloudfront() -> PublishedApi:
    """Return CloudFront's CreateInvalidation (API reference 2020-05-31), which also checks the signature."""
    namespace = "{http://cloudfront.amazonaws.com/doc/2020-05-31/}"
    references: set[str] = set()

    def check(request: Request, body: bytes) -> list[str]:
        path = f"/2020-05-31/distribution/{DISTRIBUTION}/invalidation"
        require((request.method, request.path) == ("POST", path), request.path)
        require(request.headers["Content-Type"] == "text/xml", "Content-Type")
        _check_signature(request, body)
        root = ET.fromstring(body)
        require(root.tag == f"{namespace}InvalidationBatch", root.tag)
        require({child.tag for child in root} == {f"{namespace}Paths", f"{namespace}CallerReference"}, "members")
        items = [each.text or "" for each in root.findall(f"{namespace}Paths/{namespace}Items/{namespace}Path")]
        require(root.findtext(f"{namespace}Paths/{namespace}Quantity") == str(len(items)), "InconsistentQuantities")
        require(1 <= len(items) <= 3000, "BatchTooLarge")
        require(len(set(items)) == len(items), "a repeated item would be billed twice")
        for item in items:
            tag = item.startswith("#") and len(item) <= 257 and "*" not in item
            require(tag or (item.startswith("/") and "*" not in item[:-1]), f"InvalidArgument {item}")
        reference = root.findtext(f"{namespace}CallerReference") or ""
        require(reference and reference not in references, "CallerReference")
        if not api.script:
            references.add(reference)
        return items

    created = (
        '<?xml version="1.0"?><Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">'
        "<Id>IDFDVBD632BHDS5</Id><Status>InProgress</Status></Invalidation>"
    )
    api = PublishedApi(check, lambda _: web.Response(status=201, text=created, content_type="text/xml"))
    return api


def _check_signature(request: Request, body: bytes) -> None:
    """Compute the signature of the received request (IAM User Guide, "Create a signed AWS API request")."""
    authorization = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/us-east-1/cloudfront/aws4_request, "
        r"SignedHeaders=([a-z;-]+), Signature=([0-9a-f]{64})",
        request.headers["Authorization"],
    )
    require(authorization, "Authorization")
    assert authorization is not None
    access_key, day, names, signature = authorization.groups()
    require(access_key == ACCESS_KEY, "InvalidClientTokenId")
    require({"host", "x-amz-date", "content-type"} <= set(names.split(";")), "host and every x-amz header are signed")
    at = request.headers["X-Amz-Date"]
    require(at.startswith(day), "the dates differ")
    lines = [request.method, request.path, ""]
    lines += [f"{name}:{request.headers[name]}" for name in names.split(";")]
    lines += ["", names, hashlib.sha256(body).hexdigest()]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{at}\n{day}/us-east-1/cloudfront/aws4_request\n{hashed}"
    key = ("AWS4" + SECRET_KEY).encode()
    for part in (day, "us-east-1", "cloudfront", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    require(hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature, "SignatureDoesNotMatch")


@asynccontextmanager
async def served(api: PublishedApi) -> AsyncIterator[PublishedApi]:
    """Serve an API on loopback."""
    app = web.Application(client_max_size=4 << 20)
    app.router.add_route("*", "/{path:.*}", api.handle)
    async with TestServer(app, host=LOOPBACK) as server:
        api.url = f"http://{LOOPBACK}:{server.port}"
        yield api
