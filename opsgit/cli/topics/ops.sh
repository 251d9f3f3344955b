#!/usr/bin/env bash
# Forwards the original framework's calls (bash scripts/ops.sh ...) to opsgit.
command -v opsgit > /dev/null || { echo "ops.sh: opsgit is not installed: pip install opsgit" >&2; exit 127; }
exec opsgit "$@"
