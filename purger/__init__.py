"""The CDN purger: reads which banner whom is assigned and which is ready, and tells the CDN which pointers are stale.

Pointers only (`/v1/pointers/…`): images are named by their content, so that none ever becomes stale. `staleness` and
`visitors` are pure, and so is each CDN's file but for its credentials: it says which calls drop what, and what an
answer means. `sending` makes the calls, `worker` reads Kafka. Like `edge` as a whole it may import broker, storage,
settings and contracts.
"""
