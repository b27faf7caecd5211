#!/bin/sh
# Creates the product's namespace, or sets its retention. May be repeated.
# From the environment: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, RETENTION.
set -eu

# Without "passthrough" the client asks the resolver for a TXT record first, and where that question is dropped each
# call takes 20 s to fail.
temporal_operator() { temporal operator namespace "$@" --address "passthrough:///$TEMPORAL_ADDRESS"; }

# An error is printed and ends the script, unless it says that the namespace is there already.
if ! answer=$(temporal_operator create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION" 2>&1); then
  case "$answer" in
    *"already exists"*) temporal_operator update --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION" ;;
    *)
      printf '%s\n' "$answer" >&2
      exit 1
      ;;
  esac
fi
