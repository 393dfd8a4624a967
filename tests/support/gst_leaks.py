# SPDX-License-Identifier: MIT
"""What GStreamer's leaks tracer finds alive after a process that ran a pipeline."""
import os
import subprocess
import sys

from eventually import HANG_GUARD_S


def leaks_of(description, steps):
    """`steps` are Python lines that see the parsed `description` as `pipeline`."""
    script = "\n".join(["import gc, sys, gi", "gi.require_version('Gst', '1.0')", "from gi.repository import Gst",
                        "Gst.init(None)", "pipeline = Gst.parse_launch(sys.argv[1])", *steps, "del pipeline",
                        "gc.collect()", "Gst.deinit()"])
    environment = dict(os.environ, GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7", GST_DEBUG_NO_COLOR="1")
    result = subprocess.run([sys.executable, "-c", script, description], env=environment, capture_output=True,
                            text=True, timeout=HANG_GUARD_S, check=True)
    return [entry for entry in result.stderr.splitlines() if "object-alive, " in entry and "new format" not in entry]
