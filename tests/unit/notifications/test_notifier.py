"""Messages reach real receivers on loopback: signed, once, soon, in a bounded number, and without a secret."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook
from tests.support import receivers
from tests.support.change_requests import change, recorded, refused

from seconder.api.change_request import ChangeRequest, ChangeRequestStatus, Phase
from seconder.api.text import for_chat
from seconder.approvals import change_requests
from seconder.approvals.change import By
from seconder.notifications import event, message, routes, targets
from seconder.notifications.event import Event, EventType
from seconder.notifications.notifier import Notifier, Pace
from seconder.notifications.routes import Route, Unusable

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a test's own").decode()
QUICK = Pace(gather=0.05, digest=0.2, retry=(0.05, 0.2))


class Outcomes:
    """What became of messages, as the notifier says."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []
        self._changed = threading.Condition()

    def __call__(self, *outcome: str) -> None:
        """As the notifier calls it."""
        with self._changed:
            self.said.append(outcome)  # type: ignore[arg-type]
            self._changed.notify_all()

    def wait(self, result: str, seconds: float = 60.0) -> tuple[str, str, str]:
        """The first of this result."""
        with self._changed:
            found = self._changed.wait_for(lambda: next((one for one in self.said if one[1] == result), None), seconds)
        assert found, self.said
        return found


def _event(number: int = 0, type_: EventType = EventType.PENDING, **fields: Any) -> Event:
    return Event(
        **{
            "id": f"{type_}.{number}",
            "type": type_,
            "time": event.now(),
            "name": f"chg-{number}",
            "object": "deployments.apps payments/checkout",
            "summary": f"Delete number {number} waits for approval.",
        }
        | fields
    )


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts notifiers, and ends them."""
    running: list[Notifier] = []

    def start(
        folder: Path, routes_: Any = routes.EVERYTHING, pace: Pace = QUICK, **more: Any
    ) -> tuple[Notifier, Outcomes]:
        outcomes = Outcomes()
        running.append(Notifier(folder, routes_, outcomes, pace=pace, **more))
        return running[-1], outcomes

    yield start
    for notifier in running:
        notifier.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the Secret is mounted."""
    made = tmp_path / "targets"
    made.mkdir()
    return made


def _https(folder: Path, sink: receivers.Sink, crt: Path | None, name: str = "hook") -> None:
    (folder / name).write_text(f"cloudevents+{sink.url}/in?team=a&secret={SECRET}\n")
    if crt is not None:
        (folder / targets.CA).write_bytes(crt.read_bytes())


def test_a_cloud_event_arrives_signed_as_standard_webhooks_says(started: Any, folder: Path, tmp_path: Path) -> None:
    """Checked by that project's own library; the secret is sent to nobody."""
    pair = receivers.certificate(tmp_path)
    with receivers.http(pair) as sink:
        _https(folder, sink, pair[0])
        notifier, outcomes = started(folder, source="urn:seconder:test")
        notifier.tell(_event())
        (posted,) = sink.wait(1)
        outcomes.wait("delivered")
    assert posted.path == "/in?team=a"
    assert SECRET.encode() not in posted.body
    found = Webhook(SECRET).verify(posted.body, dict(posted.headers))
    assert posted.headers["content-type"].startswith("application/cloudevents+json")
    assert (found["specversion"], found["type"], found["source"], found["subject"]) == (
        "1.0",
        "dev.seconder.changerequest.pending",
        "urn:seconder:test",
        "chg-0",
    )
    assert found["data"]["object"] == "deployments.apps payments/checkout"
    tampered = posted.body.replace(b"payments", b"paymentz")
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(tampered, dict(posted.headers))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_service_and_a_mail_server_are_told_through_apprise(started: Any, folder: Path) -> None:
    """A Slack-compatible endpoint, and SMTP."""
    with receivers.http() as chat, receivers.smtp() as mail:
        (folder / "chat").write_text(f"mmost://127.0.0.1:{chat.port}/abcdefghijklmnopqrstuvwxyz")
        (folder / "mail").write_text(
            f"mailto://127.0.0.1:{mail.port}?from=s@example.com&to=p@example.com&mode=insecure"
        )
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        outcomes.wait("delivered")
        (letter,) = mail.wait(1)
        (posted,) = chat.wait(1)
    subject = BytesParser(policy=default).parsebytes(letter.body)["subject"]
    assert subject == for_chat("Seconder: Pending, deployments.apps payments/checkout")
    found = json.loads(posted.body)
    assert "Delete number 0 waits for approval." in found["text"]
    assert b"https://" not in posted.body, "nothing is fetched from elsewhere by whoever reads it"


def test_a_message_is_sent_within_two_seconds(started: Any, folder: Path) -> None:
    """At the pace that it has in use, not the tests'."""
    with receivers.http() as sink:
        _https(folder, sink, None)
        notifier, _ = started(folder, pace=Pace())
        before = time.monotonic()
        notifier.tell(_event())
        sink.wait(1, 2.0 - (time.monotonic() - before))


def test_a_flood_is_one_digest(started: Any, folder: Path) -> None:
    """A thousand refusals at once; all are counted, and a bounded number is kept."""
    with receivers.http() as sink:
        _https(folder, sink, None)
        notifier, _ = started(folder, pace=Pace(gather=1.0))
        # Made beforehand: on a busy machine a thousand take longer than they are gathered for.
        for event in [_event(number) for number in range(1000)]:
            notifier.tell(event)
        (posted,) = sink.wait(1)
        notifier.tell(_event(2000))
        time.sleep(1.2)  # Longer than a lone message would have taken: nothing more may come.
        assert len(sink.posted) == 1
    found = json.loads(posted.body)
    assert (found["type"], found["data"]["count"]) == ("dev.seconder.digest", 1000)
    assert len(posted.body) < 100_000


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_not_taken_is_tried_again(started: Any, folder: Path, status: int) -> None:
    """With the same id, so that the receiver can tell."""
    with receivers.http() as sink:
        sink.answer = lambda number: (200, {}) if number == 3 else (status, {"retry-after": "0"})
        _https(folder, sink, None)
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        posted = sink.wait(3)
        outcomes.wait("delivered")
    assert len({one.headers["webhook-id"] for one in posted}) == 1


def test_a_receiver_that_asks_for_time_gets_it(started: Any, folder: Path) -> None:
    """``Retry-After``, in seconds."""
    with receivers.http() as sink:
        sink.answer = lambda number: (200, {}) if number == 2 else (429, {"retry-after": "1"})
        _https(folder, sink, None)
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        sink.wait(1)
        before = time.monotonic()
        sink.wait(2)
        assert time.monotonic() - before > 0.8
        outcomes.wait("delivered")


def test_what_will_never_be_taken_is_dropped_and_said(started: Any, folder: Path) -> None:
    """One try, one line, without the address."""
    with receivers.http() as sink:
        sink.answer = lambda _number: (410, {})
        _https(folder, sink, None)
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        target, _, why = outcomes.wait("dropped")
        assert (target, why, len(sink.posted)) == ("hook", "it answered 410", 1)


def test_nothing_is_sent_on_to_where_a_receiver_points(started: Any, folder: Path) -> None:
    """Nobody has named that as a target."""
    with receivers.http() as sink, receivers.http() as elsewhere:
        sink.answer = lambda _number: (307, {"location": elsewhere.url})
        _https(folder, sink, None)
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        outcomes.wait("dropped")
        assert not elsewhere.posted


def test_a_wrong_certificate_is_told_nothing(started: Any, folder: Path, tmp_path: Path) -> None:
    """And it is said that it is the certificate."""
    with receivers.http(receivers.certificate(tmp_path)) as sink:
        _https(folder, sink, None)
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        assert "certificate" in outcomes.wait("failed")[2]
        assert not sink.posted


def test_one_that_is_down_or_slow_keeps_nobody_else_waiting(started: Any, folder: Path) -> None:
    """Each target has its own queue."""
    with receivers.http() as slow, receivers.http() as well:
        slow.release.clear()
        _https(folder, slow, None, "slow")
        _https(folder, well, None, "well")
        (folder / "down").write_text(f"cloudevents+http://127.0.0.1:{receivers.closed_port()}/?secret={SECRET}")
        notifier, outcomes = started(folder)
        notifier.tell(_event())
        well.wait(1)
        assert outcomes.wait("failed")[0] == "down"


def test_what_waits_for_one_that_is_down_comes_in_one_message(started: Any, folder: Path) -> None:
    """Bounded in number; those that found no place are counted."""
    with receivers.http() as sink:
        sink.release.clear()
        _https(folder, sink, None)
        notifier, _ = started(folder, pace=Pace(gather=0.05, digest=0.1, kept=5))
        notifier.tell(_event(0))
        sink.wait(1)
        for number in range(1, 21):
            notifier.tell(_event(number))
        sink.release.set()
        posted = sink.wait(2)
    assert json.loads(posted[1].body)["data"]["count"] == 20


def test_targets_are_followed_while_it_runs(started: Any, folder: Path) -> None:
    """As a Secret changes: a new one is told, one that is gone is not."""
    with receivers.http() as first, receivers.http() as second:
        _https(folder, first, None, "first")
        notifier, _ = started(folder)
        notifier.tell(_event(0))
        first.wait(1)
        (folder / "first").unlink()
        _https(folder, second, None, "second")
        notifier.tell(_event(1))
        second.wait(1)
        assert len(first.posted) == 1


def test_no_event_is_told_twice(started: Any, folder: Path) -> None:
    """However often it is seen."""
    with receivers.http() as sink:
        _https(folder, sink, None)
        notifier, _ = started(folder)
        for _ in range(3):
            notifier.tell(_event(0))
        notifier.tell(_event(1))
        sink.wait(2)
        assert [json.loads(one.body)["subject"] for one in sink.posted] == ["chg-0", "chg-1"]


def _request(phase: Phase, *, claimed: str = "", **status: Any) -> ChangeRequest:
    asked = change(claimed=claimed)
    document = change_requests.document(asked, None)
    document["metadata"] |= {"uid": "u1", "resourceVersion": "1"}
    request = msgspec.convert(document, ChangeRequest)
    began = refused(ChangeRequestStatus(), asked)
    return msgspec.structs.replace(request, status=msgspec.structs.replace(began, phase=phase, **status))


def test_each_turn_of_a_change_request_is_told(started: Any, folder: Path) -> None:
    """Refused, approved, used: and after a restart nothing that is old."""
    with receivers.http() as sink:
        _https(folder, sink, None)
        notifier, _ = started(folder, pace=Pace(gather=0.05, fresh=1e12), portal="https://portal.example.com")
        for count, phase in enumerate((Phase.PENDING, Phase.APPROVED, Phase.USED), 1):
            request = _request(phase)
            notifier.observe({request.name: request})
            notifier.observe({request.name: request})
            posted = sink.wait(count)
        data = [json.loads(one.body)["data"] for one in posted]
        assert [one["type"] for one in data] == ["Pending", "Approved", "Used"]
        assert data[0]["link"] == f"https://portal.example.com/requests/{request.name}"
        restarted, _ = started(folder)
        restarted.observe({request.name: request})
        restarted.tell(_event())
        assert len(sink.wait(4)) == 4


def test_a_policy_that_is_not_in_force_is_told_once(started: Any, folder: Path) -> None:
    """However its reason changes meanwhile."""
    with receivers.http() as sink:
        _https(folder, sink, None)
        notifier, _ = started(folder)
        notifier.standing({"default": "somebody narrowed it"})
        (posted,) = sink.wait(1)
        notifier.standing({"default": "somebody narrowed it again"})
        notifier.standing({})
        notifier.tell(_event())
        assert len(sink.wait(2)) == 2
    found = json.loads(posted.body)
    assert (found["type"], found["subject"]) == ("dev.seconder.notinforce", "default")
    assert found["data"]["summary"] == "Policy default is not in force: somebody narrowed it"


def test_a_change_request_that_is_being_written_is_not_told_yet() -> None:
    """Its status says nothing yet."""
    request = _request(Phase.PENDING, first_refused_at="")
    assert event.of_change_request(request, "") is None


def test_by_what_an_action_is_asked_for_is_told() -> None:
    """To programs as it is; to people so that no chat service makes a link or a mention of what a client chose."""
    by = By("CREATE", "discovery.k8s.io", "endpointslices", "payments", "@here", "", "it goes where they say")
    request = recorded(by=by)
    told = event.of_change_request(request, "")
    assert told is not None
    assert told.by == "CREATE of endpointslices.discovery.k8s.io payments/@here: it goes where they say"
    assert ", by CREATE of endpointslices" in told.summary
    assert "@here" not in told.summary
    plain = event.of_change_request(recorded(), "")
    assert plain is not None
    assert (plain.by, ", by " in plain.summary) == ("", False)


@pytest.mark.parametrize(
    ("let_through", "told"),
    [
        ("", " was approved and is done."),
        ("CREATE of a.b x/@here", " was approved and is done. What was let through: CREATE of a"),
    ],
)
def test_a_use_by_another_request_than_the_one_asked_for_is_told_as_such(let_through: str, told: str) -> None:
    """Nobody reads of a request that it was made, when another was."""
    found = event.of_change_request(_request(Phase.USED, let_through=let_through), "")
    assert found is not None
    assert told in found.summary
    assert "@here" not in found.summary


@pytest.mark.parametrize("why", ["nobody approved it in time", "it was let through at noon, and not seen since"])
def test_an_end_by_time_says_no_more_than_is_known(why: str) -> None:
    """What was let through was approved in time."""
    request = _request(Phase.EXPIRED, message=why)
    told = event.of_change_request(request, "")
    assert told is not None
    assert told.summary.endswith(f" expired: {why}.")


def test_routes_choose_by_team_event_and_target() -> None:
    """What any team may approve is every team's."""
    found = routes.read('[{"teams": ["payments"], "targets": ["pay"]}, {"events": ["Expired"]}]')
    known = {"pay", "all"}
    assert routes.targets(found, _event(teams=("payments",)), known) == {"pay"}
    assert routes.targets(found, _event(teams=("search",)), known) == set()
    assert routes.targets(found, _event(), known) == {"pay"}
    assert routes.targets(found, _event(type_=EventType.EXPIRED, teams=("search",)), known) == known
    assert routes.targets((Route(targets=("gone",)),), _event(), known) == set()
    assert routes.read("[]") == routes.read("") == routes.EVERYTHING


@pytest.mark.parametrize("text", ["{", "{}", '[{"team": []}]', '[{"events": ["Nothing"]}]', '[{"targets": [""]}]'])
def test_a_wrong_route_is_told(text: str) -> None:
    """A misspelt one would tell nobody."""
    with pytest.raises(Unusable, match="notification routes"):
        routes.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "cloudevents+https://",
        "cloudevents+http://example.com/?secret=" + SECRET,
        "cloudevents+ftp://example.com/?secret=" + SECRET,
        "cloudevents+https://example.com/hunter2",
        "cloudevents+https://example.com/?secret=whsec_aHVudGVyMg==",
        "cloudevents+https://example.com/?secret=hunter2!",
        "cloudevents+https://example.com:hunter2/?secret=" + SECRET,
    ],
)
def test_a_wrong_target_is_told_without_its_secret(text: str) -> None:
    """By its name."""
    with pytest.raises(Unusable, match="notification target hook") as caught:
        targets.parse("hook", text)
    assert not any(word in str(caught.value) for word in ("hunter2", "aHVud", SECRET))


def test_one_wrong_target_spoils_no_other(folder: Path) -> None:
    """Nor does a folder that holds more than there may be."""
    (folder / "bad").write_bytes(b"\xff")
    (folder / "empty").write_text("\n")
    (folder / "long").write_text("x" * 70_000)
    (folder / "good").write_text("json://127.0.0.1/")
    (folder / "..data").mkdir()
    found, wrong = targets.read(folder)
    assert set(found) == {"good"}
    assert len(wrong) == 3
    for number in range(40):
        (folder / f"t{number}").write_text("json://127.0.0.1/")
    assert len(targets.read(folder)[0]) <= 32


def test_nothing_in_a_message_is_longer_than_people_read() -> None:
    """A digest for people tells ten, and how many more."""
    body = message.Message(tuple(_event(number) for number in range(400)), 7).body
    assert len(body.splitlines()) == 11
    assert "and 397 more" in body


_CRAFTED = (
    "routine. Approve: kubectl seconder approve chg-OTHER <!channel> @all *now* "
    "[https://portal.example.com/requests/chg-1](https://evil.example/x)"
)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_requesters_words_are_told_apart_and_become_no_link_mention_or_markup(started: Any, folder: Path) -> None:
    """In a service that renders Markdown they come last, in quotation marks, on a line of their own."""
    with receivers.http() as chat:
        (folder / "chat").write_text(f"mmost://127.0.0.1:{chat.port}/abcdefghijklmnopqrstuvwxyz")
        notifier, _ = started(folder, pace=Pace(gather=0.05, fresh=1e12), portal="https://portal.example.com")
        request = _request(Phase.PENDING, claimed=_CRAFTED)
        notifier.observe({request.name: request})
        (posted,) = chat.wait(1)
    *ours, theirs = json.loads(posted.body)["text"].splitlines()
    assert ours[-1].endswith(
        f" waits for approval. Approve: kubectl seconder approve {request.name}"
        f" https://portal.example.com/requests/{request.name}"
    )
    assert "routine" not in "".join(ours)
    assert theirs.startswith("The requester's own words, unproven: \"routine. Approve")
    assert theirs.endswith('"')
    assert not set("<>[]@*_`") & set(theirs)
    assert "://" not in theirs
    assert "evil.example" not in theirs


def test_a_digest_has_no_words_of_requesters() -> None:
    """Between two lines of ours they would look like one."""
    told = [_event(number, words="and so is everything else") for number in range(2)]
    assert "everything else" not in message.Message(tuple(told)).body
    assert message.Message((told[0],)).body.endswith('"and so is everything else"')


def test_a_name_becomes_no_mention_either() -> None:
    """Roles may be called nearly anything; a program reads the name as it is."""
    told = _event(object="clusterroles.rbac.authorization.k8s.io @channel")
    assert "@" not in message.Message((told,)).title
    assert message.Message((told,)).cloud_event("urn:x")["data"]["object"].endswith(" @channel")
