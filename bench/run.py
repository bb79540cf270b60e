"""The whole run, from installing to the table."""

import contextlib
import math
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench import approvals, gohandler, imports, latency, plugin, probes, reviews, rounds, table, world
from bench.cluster import Cluster, write_authority
from bench.load import Load
from bench.python import Interpreter
from bench.rounds import FREE, MANY_CONNECTIONS, REFUSED, SEEN_AGAIN, SEEN_FIRST, Bodies, Kind, Series
from bench.servers import Server
from bench.table import MISSED, NOT_MEASURED, Row
from localstack.controlplane import ControlPlane

FEW, MANY = 10, 1000
_STARTS: Final = 5
_COLD_START_SECONDS: Final = 0.5
_OPERATOR_SECONDS: Final = 1.5
_EDITS: Final = 10
_EFFECT_SECONDS: Final = 30
_MEMORY_MIB: Final = 80
_MEMORY_REVIEWS: Final = 100_000
_FLAT_MIB: Final = 2
_SCALE: Final = 1.2
_OWNED: Final = 10_000
_SETTLED_SECONDS: Final = 3
_TAIL: Final = 0.5
LEGEND: Final = """\
Yardstick: for CPU and p99 the Go handler with GOMAXPROCS 1 or 2, whichever is harder to beat in that line, with a cache
of verified approvals for "seen again"; for latency, where nothing else is named, a ValidatingAdmissionPolicy of the
same meaning, which cannot check signatures. Figures are medians of interleaved rounds, ratios medians of the ratios of
each round."""


class Benchmark:
    """One run in ``folder``; what it starts is stopped when ``stack`` closes. Each row is printed as it is measured."""

    def __init__(self, folder: Path, count: int, stack: contextlib.ExitStack, interpreter: Interpreter) -> None:
        """Build the Go programs and make the keys. ``interpreter``: the Python that runs the webhook."""
        self._folder, self._count, self._stack, self._interpreter = folder, count, stack, interpreter
        self._key: Final = folder / "alice"
        self._stranger: Final = folder / "mallory"
        _say("building the Go handler and the load generator")
        gohandler.build(folder)
        self._load: Final = Load(folder / "load")
        approvals.make_key(self._stranger)
        public = approvals.make_key(self._key)
        self._few: Final = world.make(FEW, public)
        self._many: Final = world.make(MANY, public)
        self._costs: dict[Kind, Sequence[Series]] = {}

    def run(self, plane: ControlPlane) -> None:
        """Measure everything. Raises WrongAnswers, StackError, ApiError, TimeoutError."""
        _say(f"installing Seconder with {FEW} policies and {FEW} approvers")
        cluster = Cluster(plane, self._folder / "seconder", self._interpreter)
        cluster.prepare()
        configuration = cluster.install([*self._few.policies, *self._few.approvers])
        authority = write_authority(configuration, self._folder / "webhook-ca.crt")
        audience = cluster.audience
        bodies = Bodies(self._folder, self._key, audience)
        plain, cached = self._go_handlers(audience)
        everything = probes.make(self._key, self._stranger, audience)
        for server in (*plain, *cached):
            probes.check(server, everything)

        _print(table.HEAD)
        what = "operator's start to its first webhook configuration, pure Python (s)"
        _print(_seconds_row(what, cluster.operator_seconds, _OPERATOR_SECONDS))
        with contextlib.ExitStack() as running:
            ours = self._start(cluster, authority, running, FEW)
            probes.check(ours, everything)
            for kind in (REFUSED, SEEN_AGAIN, SEEN_FIRST, FREE):
                self._compare(kind, bodies, ours, cached if kind is SEEN_AGAIN else plain)
            self._memory(ours, bodies)
            # Behind it: what so many connections take stays with the process.
            self._compare(MANY_CONNECTIONS, bodies, ours, plain)
            self._two_replicas(cluster, authority, ours, bodies)
            self._through_api_server(cluster, ours, plain[0], configuration)
            self._edit_to_effect(cluster, ours)
            self._plugin(cluster)

        _say(f"creating {MANY:,} policies and {MANY:,} approvers")
        cluster.add([*self._many.policies[FEW:], *self._many.approvers[FEW:]])
        with contextlib.ExitStack() as running:
            ours = self._start(cluster, authority, running, MANY)
            probes.check(ours, everything)
            for kind, handlers in ((REFUSED, plain), (SEEN_AGAIN, cached)):
                self._scale(kind, bodies, ours, handlers[:1])
            self._followed(cluster, ours)

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

    def _start(self, cluster: Cluster, authority: Path, running: contextlib.ExitStack, count: int) -> Server:
        """Start the webhook several times, to see how long it takes to be ready; give the last."""
        _say(f"cold start, {_STARTS} times")
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
        if count != FEW:
            _print(Row(what, "", f"{seconds:.2f}"))
            return server
        _print(_seconds_row(what, seconds, _COLD_START_SECONDS))
        if seconds > _COLD_START_SECONDS:
            _note(self._imports(cluster, authority))
        return server

    def _imports(self, cluster: Cluster, authority: Path) -> str:
        """Start one more beside the one that is measured."""
        server = cluster.start_webhook(authority, apart=True, **imports.ENVIRONMENT)
        with server.process:
            server.wait_ready()
        return imports.spent(server.process.log())

    def _memory(self, ours: Server, bodies: Bodies) -> None:
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
        what = f"RSS after {_MEMORY_REVIEWS:,} more reviews, growth in the second half (MiB)"
        goal = f"<= {_MEMORY_MIB}, flat"
        if math.isnan(whole):
            _print(Row(what, "", "", "", goal, NOT_MEASURED))
            return
        met = whole <= _MEMORY_MIB and whole - half <= _FLAT_MIB
        _print(Row(what, "", f"{whole:.0f} ({whole - half:+.1f})", "", goal, table.verdict(met)))

    def _compare(self, kind: Kind, bodies: Bodies, ours: Server, yardsticks: Sequence[Server]) -> None:
        """Measure one kind of review."""
        _say(f"{kind.title}, {self._count} rounds")

        def tell(series: Sequence[Series]) -> None:
            self._costs[kind] = series
            mine, *theirs = series
            cheapest = rounds.hardest(mine.cpu, [each.cpu for each in theirs])
            steadiest = rounds.hardest(mine.p99, [each.p99 for each in theirs])
            rows = [
                table.compared(f"{kind.title}: CPU per review (us)", cheapest, mine.cpu, kind.goal),
                table.compared(f"{kind.title}: p99 under full load (us)", steadiest, mine.p99, _TAIL),
            ]
            for row in rows:
                _print(row)
            if any(row.verdict == MISSED for row in rows):
                _note(mine.spent())

        rounds.run(self._load, kind, bodies, [ours, *yardsticks], self._count, tell)

    def _scale(self, kind: Kind, bodies: Bodies, ours: Server, yardsticks: Sequence[Server]) -> None:
        """Compare our cost beside many policies with that beside few, each as a ratio of the same Go handler's cost.

        The two could not run in the same moment; the handler tells how much faster or slower the machine was.
        """
        _say(f"{kind.title}, {MANY:,} policies, {self._count} rounds")
        few = self._costs[kind]

        def tell(many: Sequence[Series]) -> None:
            ratio = table.median_ratio(many[0].cpu, many[1].cpu) / table.median_ratio(few[0].cpu, few[1].cpu)
            what = f"{kind.title}: CPU with {MANY:,} policies and approvers, beside {FEW} (us)"
            if math.isnan(ratio):
                _print(Row(what, "", "", "", f"<= {_SCALE}", NOT_MEASURED))
                return
            before, after = (f"{statistics.median(series.cpu):.0f}" for series in (few[0], many[0]))
            _print(Row(what, before, after, f"{ratio:.2f}", f"<= {_SCALE}", table.verdict(ratio <= _SCALE)))
            if ratio > _SCALE:
                _note(many[0].spent())

        rounds.run(self._load, kind, bodies, [ours, *yardsticks], self._count, tell)

    def _two_replicas(self, cluster: Cluster, authority: Path, ours: Server, bodies: Bodies) -> None:
        """Ask two at the same time, on one core: what the second costs beside the reviews that it takes over."""
        _say("refused, two replicas")
        path, each = bodies.make(REFUSED), REFUSED.requests // 2
        other = cluster.start_webhook(authority, apart=True)
        with other.process, ThreadPoolExecutor(2) as threads:
            other.wait_ready()
            for count in (rounds.WARM_UP, each):
                before = [server.process.cpu_seconds() for server in (ours, other)]
                for sent in [
                    threads.submit(self._load.send, server, path, count, allowed=False) for server in (ours, other)
                ]:
                    sent.result()
                spent = sum(server.process.cpu_seconds() for server in (ours, other)) - sum(before)
        one, two = statistics.median(self._costs[REFUSED][0].cpu), spent / (2 * each) * 1e6
        if not math.isnan(two):
            _print(
                Row("refused: CPU with two replicas, beside one (us)", f"{one:.0f}", f"{two:.0f}", f"{two / one:.2f}")
            )

    def _followed(self, cluster: Cluster, ours: Server) -> None:
        """See what it takes to know who owns what, of many."""
        _say(f"creating {_OWNED:,} Deployments that something owns")
        before = ours.process.rss_mib()
        cluster.populate(_OWNED)
        # It is told of them within moments.
        time.sleep(_SETTLED_SECONDS)
        after = ours.process.rss_mib()
        what = f"RSS with {_OWNED:,} owned Deployments followed, beside none (MiB)"
        if not math.isnan(after):
            _print(Row(what, f"{before:.0f}", f"{after:.0f}"))

    def _through_api_server(
        self, cluster: Cluster, ours: Server, handler: Server, configuration: dict[str, Any]
    ) -> None:
        _say("latency through the API server")
        namespaces = [policy["spec"]["namespaces"][0] for policy in self._few.policies]
        with (
            contextlib.closing(latency.Caller(cluster.agent())) as agent,
            contextlib.closing(latency.Caller(cluster.other())) as other,
        ):
            states = latency.states(configuration, namespaces, handler)
            refused, passed, called = latency.measure(cluster.plane, states, agent, other, ours.requests, self._count)
        for place, share in enumerate(latency.SHARES):
            plain = statistics.median(each[place] for each in refused.plain)
            what = f"added to {share} of an agent's refused DELETEs, {plain:.1f} ms without admission (ms)"
            _print(_added_row(what, refused.by_policy, refused.by_webhook, place))
            what = f"added to {share} of the same, beside the Go handler as a webhook (ms)"
            _print(_added_row(what, refused.by_handler, refused.by_webhook, place))
            what = f"added to {share} of the same DELETEs by somebody who is no agent (ms)"
            _print(_added_row(what, passed.by_policy, passed.by_webhook, place))
        what = "webhook calls for all DELETEs by somebody who is no agent"
        _print(Row(what, "", f"{called:.0f}", "", "0", table.verdict(called == 0)))

    def _edit_to_effect(self, cluster: Cluster, ours: Server) -> None:
        """See how long the webhook goes by the policy that was, after another mode has been stored."""
        _say(f"from a policy's edit to its effect, {_EDITS} times")
        name = self._few.policies[0]["metadata"]["name"]
        times = []
        for turn in range(_EDITS):
            audited = turn % 2 == 0
            began = cluster.set_mode(name, "Audit" if audited else "Enforce")
            while ours.ask(reviews.review())["allowed"] is not audited:
                if time.perf_counter() - began > _EFFECT_SECONDS:
                    raise TimeoutError(f"a policy's edit had no effect within {_EFFECT_SECONDS} s")
            times.append(time.perf_counter() - began)
        _print(Row("from a policy's edit to its effect (ms)", "", f"{statistics.median(times) * 1000:.0f}"))

    def _plugin(self, cluster: Cluster) -> None:
        """See how long a person waits, who has kubectl start it."""
        _say("the plugin, through kubectl")
        used = plugin.Plugin(cluster.plane, self._folder / "plugin", self._interpreter)
        for verb, arguments, goal in plugin.verbs(self._key):
            _print(_seconds_row(f"kubectl seconder {verb} (s)", used.seconds(*arguments), goal))


def _seconds_row(what: str, seconds: float, goal: float) -> Row:
    return Row(what, "", f"{seconds:.2f}", "", f"<= {goal}", table.verdict(seconds <= goal))


def _added_row(what: str, yardstick: Sequence[Sequence[float]], ours: Sequence[Sequence[float]], place: int) -> Row:
    """Give the row of one of ``latency.SHARES``, by its place."""
    theirs, mine = (statistics.median(one[place] for one in each) for each in (yardstick, ours))
    return Row(what, f"{theirs:+.2f}", f"{mine:+.2f}")


def _print(row: Row) -> None:
    print(table.line(row), flush=True)


def _note(where: str) -> None:
    print(f"    where the time goes: {where}", flush=True)


def _say(text: str) -> None:
    """Progress, apart from the table."""
    print(f"- {text} ...", file=sys.stderr, flush=True)
