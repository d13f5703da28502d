"""The pipeline of ports: describe → write → paint → lay out → judge → encode → store. `fakes` has one of each port."""
