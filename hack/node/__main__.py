"""``python -m node``: see to it that the machine and the cache have what a node needs, showing how far it is."""

import sys

from localstack.errors import StackError
from node import image, prerequisites


def main() -> int:
    """Check, install under CI, and build the images; give the exit code."""
    try:
        prerequisites.ensure()
        for archive in (image.pause(), image.seconder()):
            print(f"image: {archive}")
    except (StackError, OSError) as error:
        print(f"node: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
