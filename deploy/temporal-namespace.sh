#!/bin/sh
# Creates the product's namespace, or sets its retention. May be repeated.
# From the environment: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, RETENTION.
set -eu

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" > /dev/null 2>&1; then
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
else
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi
