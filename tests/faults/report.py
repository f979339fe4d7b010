"""Merge the parts of a run into one table, and write it into docs/kill-switch.md. Knows no system."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.samples import percentile

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
BY_ACKNOWLEDGEMENT_SECONDS = 0.55
"""A fence that stood earlier after its commit than W at its shortest was made by acknowledgements."""

Part = dict[str, Any]


def block(parts: Sequence[Part], trials: Sequence[Part], latency: Part | None) -> str:
    """Return what the runs have shown, as Markdown."""
    lines = [BEGIN, "", *_pauses(parts), "", *_faults(parts), "", *_trials(trials), "", *_latency(latency), "", END]
    return "\n".join(lines)


def _pauses(parts: Sequence[Part]) -> list[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update({name: part[name] for name in ("pauses", "counted", "sends", "resumes_judged", "late_arrivals")})
    broken = Counter({claim: sum(len(part["violations"][claim]) for part in parts) for claim in parts[0]["violations"]})
    requests = [seconds for part in parts for seconds in part["fence_from_request"]]
    commits = [seconds for part in parts for seconds in part["fence_from_commit"]]
    resumes = [seconds for part in parts for seconds in part["resume_seconds"]]
    swift = sum(seconds < BY_ACKNOWLEDGEMENT_SECONDS for seconds in commits)
    judged = sum(part["others_judged"] for part in parts)
    share = sum(part["others_share"] * part["others_judged"] for part in parts) / judged if judged else 0.0
    seconds = sum(part["seconds"] for part in parts)
    calm = sum(part["calm_rate"] for part in parts) / len(parts)
    commit = ", ".join(dict.fromkeys(part["commit"] for part in parts))
    return [
        f"{len(parts)} parts, {seconds / 60:.0f} minutes, commit {commit}, {parts[-1]['machine']}.",
        "",
        "| | |",
        "| --- | ---: |",
        f"| pauses, of which counted (K3) | {total['pauses']:,}, {total['counted']:,} |",
        f"| sends | {total['sends']:,} |",
        f"| a second before the first pause, over all | {calm:,.0f}, {total['sends'] / seconds:,.0f} |",
        f"| sends begun inside a fence (K1) | {broken['K1']} pauses |",
        f"| first bytes inside a fence more than 50 ms after their hook | {total['late_arrivals']} |",
        f"| resumes late (K2), of judged | {broken['K2']} of {total['resumes_judged']:,} |",
        f"| first send after such a resume, p50 / max | {_milliseconds(resumes, 0.5)} / {_milliseconds(resumes, 1)} |",
        f"| others' rate inside fences (K4), over {judged:,.0f} s without faults | {share:.0%} |",
        f"| pauses whose events are not one a transition (K5) | {broken['K5']} |",
        f"| fence from the request, p50 / p99 / max | {_three(requests)} |",
        f"| fence from the commit, p50 / p99 / max | {_three(commits)} |",
        f"| fences by acknowledgement, by time | {swift:,}, {len(commits) - swift:,} |",
        f"| pauses that took more than one call | {sum(part['retried'] for part in parts)} |",
    ]


def _faults(parts: Sequence[Part]) -> list[str]:
    kinds: Counter[str] = Counter()
    for part in parts:
        kinds.update(part["faults"])
    return ["| fault | times |", "| --- | ---: |", *(f"| {kind} | {kinds[kind]} |" for kind in sorted(kinds))]


def _trials(trials: Sequence[Part]) -> list[str]:
    lines = ["| mutant | caught | sends inside the fence | pauses | product under the same faults |"]
    lines.append("| --- | --- | ---: | ---: | --- |")
    for trial in trials:
        name, product = trial["mutant"].replace("_", " "), trial["product"]
        clean = "holds" if not product["inside"] else f"{product['inside']} sends inside"
        caught = "yes" if trial["caught"] else "no"
        lines.append(
            f"| {name} | {caught} | {trial['inside']} | {trial['pauses']} | {clean}, {product['pauses']} pauses |"
        )
    return lines


def _latency(latency: Part | None) -> list[str]:
    if latency is None:
        return []
    requests, commits = latency["fence_from_request"], latency["fence_from_commit"]
    return [
        f"{latency['executors']} healthy executors, {latency['sends_per_second']:,.0f} sends/s, {len(requests)} times:",
        f"fence from the request, p50 / p99 / max {_three(requests)}; from the commit {_three(commits)}.",
    ]


def _three(seconds: Sequence[float]) -> str:
    return " / ".join(_milliseconds(seconds, share) for share in (0.5, 0.99, 1))


def _milliseconds(seconds: Sequence[float], share: float) -> str:
    return f"{percentile(seconds, share) * 1000:,.0f} ms" if seconds else "-"


def write(path: Path, text: str) -> None:
    """Put `text` in place of the block in `path`; the rest of the file stays."""
    before = path.read_text() if path.exists() else f"# The kill switch\n\n{BEGIN}\n{END}\n"
    head, begin, rest = before.partition(BEGIN)
    if not begin:
        head, rest = before.rstrip() + "\n\n", f"{END}\n"
    path.write_text(head + text + rest.partition(END)[2])


def read(folder: Path, name: str, commit: str) -> list[Part]:
    """Return what `commit` left in `folder` under names that begin with `name`."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}*.json"))]
    return [part for part in found if part["commit"] == commit]
