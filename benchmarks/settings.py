"""How long a feeds.yaml of many feeds takes to load, beside ruamel's plain round-trip load of the same file.

    python -m benchmarks.settings --feeds 2000

One JSON document on stdout; times are CPU milliseconds of this process. `first_ms` is what a start pays, `again_ms`
(the median) what a reload pays, whose addresses are already known in their canonical form.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

from ruamel.yaml import YAML

from aggregator.errors import ConfigError
from aggregator.settings.loading import load_settings

HEAD = 'site: {title: Wire, base_url: "https://wire.example.org"}\nfeeds:\n'
FLOW = (
    '  - {{id: f{n}, name: Tank {n}, url: "https://www.flow{n}.example/rss.xml", site_url: "https://www.flow{n}.example/",'
    " country: FR, language: fr, every: 6h, tags: [publisher:t{n}]}}\n"
)
BLOCK = (
    "  - id: f{n}\n    name: Tank {n}\n    url: https://www.block{n}.example/rss.xml\n"
    "    site_url: https://www.block{n}.example/\n    country: FR\n    language: fr\n    every: 6h\n"
    "    tags: [publisher:t{n}]\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = {
            style: measure(Path(folder) / f"{style}.yaml", whole(form, given.feeds), given.repeat)
            for style, form in (("flow", FLOW), ("block", BLOCK))
        }
    print(json.dumps({"feeds": given.feeds, "repeat": given.repeat, **report}, indent=2))


def whole(form: str, feeds: int) -> str:
    return HEAD + "".join(form.format(n=number) for number in range(feeds))


def measure(path: Path, text: str, repeat: int) -> dict[str, float]:
    path.write_text(text, "utf-8")
    first = milliseconds(lambda: load_settings(path, {}))
    again = median(milliseconds(lambda: load_settings(path, {})) for _ in range(repeat))
    ruamel = median(milliseconds(lambda: YAML().load(text)) for _ in range(repeat))
    wrong = milliseconds(lambda: refused(path, text))
    return {
        "bytes": len(text),
        "first_ms": round(first, 1),
        "again_ms": round(again, 1),
        "refused_ms": round(wrong, 1),
        "ruamel_ms": round(ruamel, 1),
        "ratio_first_to_ruamel": round(first / ruamel, 3),
    }


def milliseconds(work: Callable[[], object]) -> float:
    begun = process_time()
    work()
    return (process_time() - begun) * 1000


def refused(path: Path, text: str) -> None:
    """A load that ends with the place of a fault, which only the exact reader knows."""
    path.write_text(text.replace("every: 6h", "every: 6 hours", 1), "utf-8")
    try:
        load_settings(path, {})
    except ConfigError:
        return
    raise AssertionError("the fault went unseen")


if __name__ == "__main__":
    main()
