"""
Break glass: everybody to one group, with no supervisor, no Crossfade, only this file's folder.

    python -m crossfade.dataplane.weights FOLDER SERVICE GROUP

Writes the desired document (generation + 1) and Envoy's route file, each by renaming. Envoy
follows the file within milliseconds; a supervisor that lives or comes back finds the document.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from crossfade.dataplane.failures import UnknownService
from crossfade.dataplane.model import GROUPS, TOTAL, check
from crossfade.dataplane.routes import routes
from crossfade.dataplane.store import Store, write_whole
from crossfade.errors import CrossfadeError


def send_everybody(folder: Path | str, name: str, group: str) -> int:
    """Returns the new generation. Raises InvalidChange, UnknownService."""
    store = Store(folder)
    with store.writing():
        services = store.services()
        if name not in services or group not in GROUPS:
            raise UnknownService(
                "CF4105",
                f"there is no service {name!r} with a group {group!r} in {folder}",
                why=f"services: {', '.join(services) or 'none'}; groups: {', '.join(GROUPS)}",
            )
        generation, service = services[name]
        service = replace(service, weights={g: TOTAL * (g == group) for g in GROUPS})
        check(service)
        generation += 1
        store.save_service(generation, service)
        services[name] = (generation, service)
        text = routes(found for _, found in services.values())
        write_whole(store.folder / "rds.json", text, durable=True)
    return generation


def main(arguments: list[str]) -> int:
    """Exit 0 = written, 2 = asked wrongly or refused."""
    if len(arguments) != 3:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    folder, name, group = arguments
    try:
        generation = send_everybody(folder, name, group)
    except CrossfadeError as error:
        sys.stderr.write("\n".join((*error.lines(), "")))
        return 2
    sys.stdout.write(f"{name}: all traffic to {group}, generation {generation}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
