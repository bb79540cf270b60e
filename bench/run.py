"""The whole run, from installing to the table."""

import contextlib
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import approvals, gohandler, imports, latency, probes, rounds, table, world
from bench.cluster import Cluster, write_authority
from bench.load import Load
from bench.rounds import REFUSED, SEEN_AGAIN, SEEN_FIRST, Bodies, Kind, Series
from bench.servers import Server
from bench.table import MISSED, NOT_MEASURED, Row
from localstack.controlplane import ControlPlane

FEW, MANY = 10, 1000
_STARTS: Final = 5
_COLD_START_SECONDS: Final = 0.6
_MEMORY_MIB: Final = 80
_MEMORY_REVIEWS: Final = 100_000
_FLAT_MIB: Final = 2
_SCALE: Final = 1.2
_TAIL: Final = 0.5
_HEADS: Final = ("", "yardstick", "Seconder", "ratio", "goal", "")
_LEGEND: Final = """\
Yardstick: for CPU and p99 the Go handler with GOMAXPROCS 1 or 2, whichever is harder to beat in that line, with a cache
of verified approvals for "seen again"; for latency a ValidatingAdmissionPolicy of the same meaning, which cannot check
signatures. Figures are medians of interleaved rounds, ratios medians of the ratios of each round."""


class Benchmark:
    """One run in ``folder``; what it starts is stopped when ``stack`` closes."""

    def __init__(self, folder: Path, count: int, stack: contextlib.ExitStack) -> None:
        """Build the Go programs and make the keys."""
        self._folder, self._count, self._stack = folder, count, stack
        self._key: Final = folder / "alice"
        self._stranger: Final = folder / "mallory"
        _say("building the Go handler and the load generator")
        gohandler.build(folder)
        self._load: Final = Load(folder / "load")
        approvals.make_key(self._stranger)
        public = approvals.make_key(self._key)
        self._few: Final = world.make(FEW, public)
        self._many: Final = world.make(MANY, public)
        self._notes: list[str] = []

    def run(self, plane: ControlPlane) -> str:
        """Measure everything; give the table. Raises WrongAnswers, StackError, ApiError, TimeoutError."""
        _say(f"installing Seconder with {FEW} policies and {FEW} approvers")
        cluster = Cluster(plane, self._folder / "seconder")
        cluster.prepare()
        configuration = cluster.install([*self._few.policies, *self._few.approvers])
        authority = write_authority(configuration, self._folder / "webhook-ca.crt")
        audience = cluster.audience
        bodies = Bodies(self._folder, self._key, audience)
        plain, cached = self._go_handlers(audience)
        everything = probes.make(self._key, self._stranger, audience)
        for server in (*plain, *cached):
            probes.check(server, everything)

        with contextlib.ExitStack() as running:
            ours, start = self._start(cluster, authority, running, FEW)
            probes.check(ours, everything)
            memory = self._memory(ours, bodies)
            few = {kind: self._compare(kind, bodies, ours, plain, cached) for kind in (REFUSED, SEEN_AGAIN, SEEN_FIRST)}
            through = self._through_api_server(cluster, ours, configuration)
        if start.verdict == MISSED:
            self._notes.append(f"cold start: {self._imports(cluster, authority)}")

        _say(f"{MANY} policies and {MANY} approvers")
        cluster.create([*self._many.policies[FEW:], *self._many.approvers[FEW:]])
        with contextlib.ExitStack() as running:
            ours, slow_start = self._start(cluster, authority, running, MANY)
            probes.check(ours, everything)
            many = {kind: self._compare(kind, bodies, ours, plain[:1], cached[:1]) for kind in (REFUSED, SEEN_AGAIN)}

        rows = [row for kind, series in few.items() for row in self._rows(kind, series)]
        rows += [self._scale(kind, few[kind], series) for kind, series in many.items()]
        rows += [memory, start, slow_start, *through]
        return "\n".join(["", table.render(_HEADS, rows), "", _LEGEND, *self._notes])

    def _go_handlers(self, audience: str) -> tuple[list[Server], list[Server]]:
        """Start the handler with each number of threads: verifying always, and with a cache."""
        config = self._few.write_config(self._folder / "go.json", audience)
        serving = gohandler.certificates(self._folder)
        plain, cached = (
            [
                gohandler.start(self._folder / "server", config, serving, self._folder, threads=threads, cache=cache)
                for threads in gohandler.THREADS
            ]
            for cache in (False, True)
        )
        for server in (*plain, *cached):
            self._stack.enter_context(server.process)
        return plain, cached

    def _start(
        self, cluster: Cluster, authority: Path, running: contextlib.ExitStack, count: int
    ) -> tuple[Server, Row]:
        """Start the webhook several times; give the last, and how long it takes to be ready."""
        _say("cold start")
        times = []
        for turn in range(_STARTS):
            began = time.perf_counter()
            server = cluster.start_webhook(authority)
            with contextlib.ExitStack() as starting:
                starting.enter_context(server.process)
                server.wait_ready()
                times.append(time.perf_counter() - began)
                if turn == _STARTS - 1:
                    running.push(starting.pop_all())
        seconds = statistics.median(times)
        what = f"cold start to ready, {count:,} policies and approvers (s)"
        goal, verdict = (f"<= {_COLD_START_SECONDS}", table.verdict(seconds <= _COLD_START_SECONDS))
        return server, Row(what, "", f"{seconds:.2f}", "", *((goal, verdict) if count == FEW else ("", "")))

    def _imports(self, cluster: Cluster, authority: Path) -> str:
        server = cluster.start_webhook(authority, **imports.ENVIRONMENT)
        with server.process:
            server.wait_ready()
        return imports.spent(server.process.log())

    def _memory(self, ours: Server, bodies: Bodies) -> Row:
        """Send many reviews, refused ones and signed ones that all differ; see what memory does."""
        _say(f"memory over {_MEMORY_REVIEWS:,} reviews")
        signed, refused = bodies.make(SEEN_FIRST), bodies.make(REFUSED)
        distinct = rounds.WARM_UP + SEEN_FIRST.requests
        self._load.send(ours, signed, distinct, allowed=True)
        self._load.send(ours, refused, _MEMORY_REVIEWS // 2 - distinct, allowed=False)
        half = ours.process.rss_mib()
        self._load.send(ours, refused, _MEMORY_REVIEWS // 2 - distinct, allowed=False)
        self._load.send(ours, bodies.make(SEEN_FIRST), distinct, allowed=True)
        whole = ours.process.rss_mib()
        what = f"RSS after {_MEMORY_REVIEWS:,} reviews, and growth in the second half (MiB)"
        goal = f"<= {_MEMORY_MIB}, flat"
        if math.isnan(whole):
            return Row(what, "", "", "", goal, NOT_MEASURED)
        met = whole <= _MEMORY_MIB and whole - half <= _FLAT_MIB
        return Row(what, "", f"{whole:.0f} ({whole - half:+.1f})", "", goal, table.verdict(met))

    def _compare(
        self, kind: Kind, bodies: Bodies, ours: Server, plain: Sequence[Server], cached: Sequence[Server]
    ) -> list[Series]:
        """Measure one kind of review; our series comes first."""
        _say(f"{kind.title}, {self._count} rounds")
        yardsticks = cached if kind is SEEN_AGAIN else plain
        return rounds.run(self._load, kind, bodies, [ours, *yardsticks], self._count)

    def _rows(self, kind: Kind, series: Sequence[Series]) -> list[Row]:
        ours, *yardsticks = series
        cheapest = rounds.hardest(ours.cpu, [each.cpu for each in yardsticks])
        steadiest = rounds.hardest(ours.p99, [each.p99 for each in yardsticks])
        rows = [
            table.compared(f"{kind.title}: CPU per review (us)", cheapest, ours.cpu, kind.goal),
            table.compared(f"{kind.title}: p99 under full load (us)", steadiest, ours.p99, _TAIL),
        ]
        if any(row.verdict == MISSED for row in rows):
            self._notes.append(f"{kind.title}, where the CPU time goes: {ours.spent()}")
        return rows

    def _scale(self, kind: Kind, few: Sequence[Series], many: Sequence[Series]) -> Row:
        """Compare our cost beside many policies with that beside few, each as a ratio of the same Go handler's cost.

        The two could not run in the same moment; the handler tells how much faster or slower the machine was.
        """
        ratio = table.median_ratio(many[0].cpu, many[1].cpu) / table.median_ratio(few[0].cpu, few[1].cpu)
        what = f"{kind.title}: CPU with {MANY:,} policies and approvers, beside {FEW} (us)"
        if math.isnan(ratio):
            return Row(what, "", "", "", f"<= {_SCALE}", NOT_MEASURED)
        if ratio > _SCALE:
            self._notes.append(f"{kind.title}, {MANY:,} policies, where the CPU time goes: {many[0].spent()}")
        return Row(
            what,
            f"{statistics.median(few[0].cpu):.0f}",
            f"{statistics.median(many[0].cpu):.0f}",
            f"{ratio:.2f}",
            f"<= {_SCALE}",
            table.verdict(ratio <= _SCALE),
        )

    def _through_api_server(self, cluster: Cluster, ours: Server, configuration: dict[str, Any]) -> list[Row]:
        _say("latency through the API server")
        namespaces = [policy["spec"]["namespaces"][0] for policy in self._few.policies]
        with (
            contextlib.closing(latency.Caller(cluster.agent())) as agent,
            contextlib.closing(latency.Caller(cluster.other())) as other,
        ):
            states = latency.states(configuration, namespaces)
            refused, passed, called = latency.measure(cluster.plane, states, agent, other, ours.requests, self._count)
        plain = statistics.median(refused.plain)
        return [
            _added_row(f"added to an agent's refused DELETE, {plain:.1f} ms without admission (ms)", refused),
            _added_row("added to the same DELETE by somebody who is no agent (ms)", passed),
            Row(
                "webhook calls for all DELETEs by somebody who is no agent",
                "",
                f"{called:.0f}",
                "",
                "0",
                table.verdict(called == 0),
            ),
        ]


def _added_row(what: str, added: latency.Added) -> Row:
    policy, webhook = (statistics.median(each) for each in (added.by_policy, added.by_webhook))
    return Row(what, f"{policy:+.2f}", f"{webhook:+.2f}")


def _say(text: str) -> None:
    print(f"- {text} ...", flush=True)
