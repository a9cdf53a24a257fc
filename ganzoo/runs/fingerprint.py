"""Fingerprints: SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def fingerprint(record: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a JSON-able mapping: sorted keys, no spaces, so equal content gives equal hashes."""
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
