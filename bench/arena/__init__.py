"""The common parts of the benchmarks: a broker, events, environments, timing, probes, and the check of results.

`contenders`, `timing`, `expected` and `audit` serve the runs beside other systems; `deployment`, `load`, `probes` and
`resting` run the product alone, as a shop does.
"""
