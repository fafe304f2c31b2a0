"""Runs one command and reports its seconds, its largest process and its exit code as JSON.

A process of its own, because the kernel counts the memory of whoever starts a command as the
command's: this one is small. The command's output goes to standard error.
"""

import json
import resource
import subprocess
import sys
import time

began = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
seconds = time.perf_counter() - began
process = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
json.dump({"seconds": seconds, "process": process, "code": code}, sys.stdout)
