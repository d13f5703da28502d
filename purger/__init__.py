"""The CDN purger: reads assignments and ready events, and purges stale pointers from the CDN.

Pointers only (`/v1/pointers/…`): images are named by their content and never become stale. `staleness` and `visitors`
are pure, and so is each CDN's file except for credentials: it builds the calls and interprets the responses. `sender`
makes the calls, `change_reader` reads Kafka, `worker` drives both. May import broker, service, settings and contracts.
"""
