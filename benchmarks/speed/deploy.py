"""The other tool's side: what `inputs` wrote down, as pyinfra operations, one a setting. Runs in pyinfra's own environment."""

import io
import json
import os
from pathlib import Path

from pyinfra.operations import files, server

for setting in json.loads(Path(os.environ["HOSTPROOF_SPEED_SETTINGS"]).read_text(encoding="utf-8")):
    if setting["kind"] == "sysctl":
        server.sysctl(
            name=setting["name"],
            key=setting["key"],
            value=setting["wanted"],
            persist=True,
            persist_file=setting["path"],
        )
    else:
        files.put(name=setting["name"], src=io.StringIO(setting["content"]), dest=setting["path"], mode="644")
