"""The far side of the `nudenet` adapter: a program of its own, for a Python that has nudenet.

The command of `nudenet` in LICET_CLASSIFIERS: ["/opt/nudenet/bin/python", "-I", "<this file>"].
NudeNet is AGPL-3.0, so it is installed beside Licet, never in it. Reads {"id", "jpeg"} lines and answers
{"id", "boxes"} lines. Imports nothing of Licet.
"""

import base64
import json
import sys
from importlib import import_module


def main() -> None:
    """Answers until standard input ends. What NudeNet itself prints goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    detector = import_module("nudenet").NudeDetector()
    for line in sys.stdin:
        asked = json.loads(line)
        found = detector.detect(base64.b64decode(asked["jpeg"]))
        boxes = [{"class": box["class"], "score": box["score"]} for box in found]
        answers.write(json.dumps({"id": asked["id"], "boxes": boxes}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
