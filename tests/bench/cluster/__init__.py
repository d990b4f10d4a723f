"""The benchmark of clusters, and the model that goes beyond them (`make bench-cluster`)."""
