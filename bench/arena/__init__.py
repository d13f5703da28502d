"""What benchmarks run their systems in: a broker, events, environments, the clock, probes, and the audit of results.

`contenders`, `timing`, `expected` and `audit` are those of the side-by-side runs; `deployment`, `load`, `probes` and
`resting` run the product alone, as a shop does.
"""
