"""The pipeline of ports: describe → write → paint → lay out → judge → encode → store. `fakes` fakes every port."""
