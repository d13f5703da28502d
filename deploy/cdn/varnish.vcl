# Varnish in front of edge. Needs varnish 7 and varnish-modules (xkey).
#
#     EDGE_HOST=10.0.0.7 EDGE_PORT=8080 PURGE_TOKEN=… \
#         envsubst '$EDGE_HOST $EDGE_PORT $PURGE_TOKEN' < varnish.vcl > /etc/varnish/default.vcl
#
# tests/integration/purger/ tests this file.
vcl 4.1;

import std;
import xkey;

backend edge {
    .host = "${EDGE_HOST}";
    .port = "${EDGE_PORT}";
    .probe = {
        .url = "/readyz";
        .interval = 1s;
        .timeout = 1s;
        .window = 3;
        .threshold = 2;
        .initial = 2;
    }
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (req.http.X-Purge-Token != "${PURGE_TOKEN}") {
            return (synth(403, "Forbidden"));
        }
        if (!req.http.xkey-purge) {
            return (synth(400, "xkey-purge is missing"));
        }
        # Soft purge: objects stay for their grace, to be served while edge is down.
        set req.http.X-Dropped = xkey.softpurge(req.http.xkey-purge);
        return (synth(200, "Purged"));
    }
    # Only what pages use is published, in its normal form: operators' paths (/metrics, /readyz, /docs, /v1/visitors/) are
    # not, nor is what edge would decode to one of them.
    if (req.url !~ "^/(v1/(banner|stream|events|feedback)|banner\.js|healthz)(\?|$)"
        && req.url !~ "^/(v1/pointers|b)(/[0-9A-Za-z][0-9A-Za-z._-]*)+(\?|$)") {
        return (synth(404, "Not Found"));
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    if (req.url ~ "^/v1/stream(\?|$)") {
        # Server-sent events must not be buffered until their end.
        return (pipe);
    }
    if (req.url ~ "^/(v1/pointers|b)/") {
        # Public, and the same for every visitor: cookies and queries would only split the cache.
        unset req.http.Authorization;
        unset req.http.Cookie;
        set req.url = regsub(req.url, "\?.*$", "");
        if (std.healthy(req.backend_hint)) {
            # A purged object is fetched again before it is served.
            set req.grace = 0s;
        }
        return (hash);
    }
    return (pass);
}

sub vcl_hash {
    # Keyed by path alone, so that a purge need not know the shop's host names.
    hash_data(req.url);
    return (lookup);
}

sub vcl_backend_response {
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (beresp.status >= 500) {
        # Keep the cached copy rather than replace it by an error.
        return (abandon);
    }
    if (!beresp.http.xkey) {
        set beresp.http.xkey = beresp.http.Surrogate-Key;
    }
    set beresp.grace = 1h;
}

sub vcl_deliver {
    # Cache tags are for this cache only.
    unset resp.http.xkey;
    unset resp.http.Surrogate-Key;
    unset resp.http.Cache-Tag;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}
