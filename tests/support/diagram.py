"""The state diagram in docs/exactly-once.md, from the table that the Kafka thread goes by.

`python -m tests.support.diagram` writes it into the document; a test holds the two equal.
"""

from __future__ import annotations

from pathlib import Path

from journeys.worker.kafka_thread.states import FIRST, NEXT, State

DOCUMENT = Path(__file__).parents[2] / "docs" / "exactly-once.md"
_BEGIN, _END = "<!-- from worker/kafka_thread/states.py: python -m tests.support.diagram -->\n", "<!-- end -->\n"


def diagram() -> str:
    """In Mermaid, as Markdown shows it."""
    states = [f'    state "{state}" as {state.name}' for state in State]
    arrows = [f"    {state.name} --> {after.name} : {happened}" for (state, happened), after in NEXT.items()]
    lines = ["```mermaid", "stateDiagram-v2", *states, f"    [*] --> {FIRST.name} : start", *arrows, "```"]
    return "".join(f"{line}\n" for line in lines)


def with_diagram(document: str) -> str:
    """The document with the diagram as it has to be."""
    before, _, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, f"no place for the diagram in {DOCUMENT.name}"
    return f"{before}{_BEGIN}\n{diagram()}\n{_END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_diagram(DOCUMENT.read_text()))
