"""The portal's pages and what their script asks for."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from msgspec import Meta

from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.client.api import Api, ApiError
from seconder.observability import log
from seconder.portal import answers, guard, pages, together
from seconder.portal.answers import Answers
from seconder.portal.cases import SECONDS, Cases, obstacle
from seconder.portal.paces import Pace
from seconder.portal.problem import Refused
from seconder.portal.sessions import Session, Sessions
from seconder.portal.view import View

_T = TypeVar("_T")
_NAME: Final = re.compile(r"chg-[0-9a-z]{26}")
_MOST_ROWS: Final = 200
_AWAY: Final = (
    "The cluster's API server does not answer at the moment. Nothing was changed; please try again in a moment."
)

_TOO_MUCH: Final = "That was very much at once. Please wait a few seconds."


class _SignIn(msgspec.Struct, forbid_unknown_fields=True):
    challenge: Annotated[str, Meta(max_length=512)]
    signature: Annotated[bytes, Meta(max_length=4096)]
    handle: Annotated[str, Meta(max_length=128)] = ""


class _Approval(msgspec.Struct, forbid_unknown_fields=True):
    value: Annotated[str, Meta(max_length=constants.MAX_APPROVAL_BYTES)]


class _Denial(msgspec.Struct, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=512)] | None


_sign_in: Final = TypeReader(_SignIn)
_approval: Final = TypeReader(_Approval)
_denial: Final = TypeReader(_Denial)


class Portal:
    """Answers requests. ``origin``, such as ``https://approve.example.com``, is where browsers find it."""

    def __init__(self, api: Api, view: View, origin: str) -> None:
        self._api = api
        self._view = view
        self._origin = origin
        self._secure = origin.startswith("https:")
        # RFC 6265bis: a browser takes this prefix only with Secure, Path=/ and no Domain, so that no neighbour sets it.
        self._cookie = "__Host-seconder" if self._secure else "seconder"
        self._host = origin.partition("://")[2].partition(":")[0]
        self._sessions = Sessions(origin, self._host)
        self._cases = Cases(api, view)
        self._answers = Answers(api, view)
        self._pace = Pace(rate=5, burst=60)

    def app(self) -> Callable[..., Awaitable[None]]:
        """Make the ASGI application."""
        made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
        for method, path, answer in (
            ("GET", "/", self._list),
            ("GET", "/sign-in", self._sign_in_page),
            ("GET", "/enroll", self._enroll),
            ("GET", "/challenge", self._challenge),
            ("POST", "/session", self._sign_in),
            ("POST", "/sign-out", self._sign_out),
            ("GET", "/together", self._together),
            ("GET", "/requests/{name}", self._request_page),
            ("GET", "/requests/{name}/facts", self._facts),
            ("GET", "/requests/{name}/status", self._status),
            ("POST", "/requests/{name}/approval", self._approve),
            ("POST", "/requests/{name}/denial", self._deny),
            ("GET", "/static/{name}", self._file),
        ):
            made.add_api_route(path, _endpoint(answer), methods=[method], response_class=Response)
        made.add_exception_handler(404, _nowhere)
        made.add_exception_handler(405, _nowhere)
        return guard.Guard(made, self._origin)

    # What is asked without being signed in.

    def _file(self, request: Request, _: bytes) -> Response:
        file = pages.files().get(request.path_params["name"])
        if file is None:
            raise Refused(404, "There is no such page.")
        headers = {"cache-control": "no-cache", "etag": file.tag}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)

    def _enroll(self, request: Request, _: bytes) -> Response:
        return self._page("enroll", None, to=_own_path(request.query_params.get("to", "")))

    def _sign_in_page(self, request: Request, _: bytes) -> Response:
        return self._page("sign-in", None, to=_own_path(request.query_params.get("to", "")))

    def _challenge(self, _: Request, __: bytes) -> Response:
        return _json({"challenge": self._sessions.challenge(time.time())})

    def _sign_in(self, _: Request, body: bytes) -> Response:
        given = _read(body, _sign_in)
        if not self._view.fresh():
            raise Refused(503, _AWAY)
        cookie = self._sessions.begin(given.challenge, given.signature, given.handle, self._view.registry, time.time())
        response = _json({})
        self._set_cookie(response, cookie)
        return response

    def _sign_out(self, _: Request, __: bytes) -> Response:
        response = _json({})
        self._set_cookie(response, "")
        return response

    # What takes a session.

    def _list(self, request: Request, _: bytes) -> Response:
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request, "/")
        waiting: list[ChangeRequest] = []
        for items, _version in self._api.pages(change_request.PATH, timeout=SECONDS, limit=100):
            read = map(change_request.readable, items)
            waiting += [found for found in read if found is not None and found.status.phase.open]
        waiting.sort(key=lambda found: (not found.status.phase.waits, found.status.first_refused_at))
        rows = [pages.row(found) for found in waiting[:_MOST_ROWS]]
        return self._page("list", session, rows=rows, more=len(waiting) - len(rows), most=together.MOST)

    def _request_page(self, request: Request, _: bytes) -> Response:
        name = self._name(request)
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request, f"/requests/{name}")
        case = self._cases.read(name)
        return self._page(
            "request",
            session,
            case=case,
            facts=list(pages.facts(case)),
            diff=pages.diff(case.based),
            items=case.items,
            problem=case.problem or obstacle(case, session.approver),
            status=answers.status(case.request, session.approver),
        )

    def _together(self, request: Request, _: bytes) -> Response:
        session = self._session(request)
        if session is None:
            return self._to_sign_in(request, "/")
        names = list(dict.fromkeys(request.query_params.getlist("name")))
        if not 2 <= len(names) <= together.MOST or not all(map(_is_name, names)):
            raise Refused(400, f"One signature is for 2 to {together.MOST} requests: choose them in the list.")
        # Each is read as one on a page of its own, and counts as that.
        if not all(self._pace.allows(session.approver.name) for _ in names[1:]):
            raise Refused(429, _TOO_MUCH)
        cases = [self._cases.read(name) for name in names]
        problems = list(together.problems(cases, session))
        shown = [
            {
                "case": case,
                "facts": list(pages.facts(case)),
                "diff": () if problems else pages.diff(case.based),
                "status": answers.status(case.request, session.approver),
            }
            for case in cases
        ]
        return self._page("together", session, shown=shown, problems=problems)

    def _facts(self, request: Request, _: bytes) -> Response:
        session = self._signed_in(request)
        case = self._cases.read(self._name(request))
        return _json(answers.facts(case, session, time.time()))

    def _status(self, request: Request, _: bytes) -> Response:
        session = self._signed_in(request)
        found = self._cases.request(self._name(request))
        return _json(answers.status(found, session.approver))

    def _approve(self, request: Request, body: bytes) -> Response:
        session = self._trusted(request)
        given = _read(body, _approval)
        case = self._cases.read(self._name(request))
        slug = self._answers.approve(case, session, given.value, time.time())
        log.info("an approval was handed on", request=case.request.name, approver=session.approver.name)
        return _json({"annotation": f"{constants.APPROVAL_PREFIX}{slug}"})

    def _deny(self, request: Request, body: bytes) -> Response:
        session = self._trusted(request)
        given = _read(body, _denial)
        found = self._cases.request(self._name(request))
        self._answers.deny(found, session, given.reason)
        log.info("a denial was written", request=found.name, approver=session.approver.name)
        return _json({})

    def _session(self, request: Request) -> Session | None:
        if not self._view.fresh():
            raise Refused(503, _AWAY)
        session = self._sessions.find(request.cookies.get(self._cookie, ""), self._view.registry, time.time())
        if session is not None and not self._pace.allows(session.approver.name):
            raise Refused(429, _TOO_MUCH)
        return session

    def _signed_in(self, request: Request) -> Session:
        session = self._session(request)
        if session is None:
            raise Refused(401, "You are not signed in any more. Reload the page to sign in.")
        return session

    def _trusted(self, request: Request) -> Session:
        """The session, where a page of ours asks; see Guard for the rest that shows it."""
        session = self._signed_in(request)
        if request.headers.get("x-seconder-token", "") != session.token:
            raise Refused(403, "This page is from another session. Reload it.")
        return session

    def _name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if not _is_name(name):
            raise Refused(404, "There is no such page.")
        return name

    def _to_sign_in(self, request: Request, path: str) -> Response:
        """Whoever follows a link of a message's may be signed in: a browser keeps a Strict cookie back until we ask."""
        if request.headers.get("sec-fetch-site", "") == "cross-site":
            response = self._page("arrival", None, path=path)
            response.headers["refresh"] = f"0; url={path}"
            return response
        return RedirectResponse("/sign-in" if path == "/" else f"/sign-in?to={quote(path)}", 303)

    def _page(self, name: str, session: Session | None, **values: Any) -> Response:
        who = clean(session.approver.principal) if session else ""
        token = session.token if session else ""
        return HTMLResponse(pages.page(name, page=name, who=who, token=token, host=self._host, **values))

    def _set_cookie(self, response: Response, value: str) -> None:
        response.set_cookie(
            self._cookie,
            value,
            max_age=answers.SESSION_SECONDS if value else 0,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )


Answer = Callable[[Request, bytes], Response]


def _endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that reads a bounded body and answers in a thread. What goes wrong becomes a sentence."""

    async def endpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > guard.MOST_BODY:
                return _sentence(request, Refused(413, "That is too much at once."))
        try:
            return await run_in_threadpool(answer, request, body)
        except Refused as refused:
            return _sentence(request, refused)
        except ApiError as error:
            return _sentence(request, _of_api(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, a visitor reads a sentence
            log.failure("a page could not be made", error)
            return _sentence(request, Refused(500, "Something went wrong here. It was written to the portal's log."))

    return endpoint


def _of_api(error: ApiError) -> Refused:
    log.trouble("the API server was asked in vain", error)
    if error.status in {403, 401}:
        return Refused(502, "The portal lacks a right that it needs; its log says which.")
    if error.status in {404, 409, 422}:
        return Refused(409, "It was changed meanwhile. Nothing was written; reload the page.")
    return Refused(503, _AWAY)


def _sentence(request: Request, refused: Refused) -> Response:
    asks_for_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not asks_for_page:
        response = _json({"problem": refused.sentence})
        response.status_code = refused.status
        return response
    html = pages.page("problem", page="problem", who="", token="", host="", sentence=refused.sentence)
    return HTMLResponse(html, refused.status)


async def _nowhere(request: Request, _: Exception) -> Response:
    return _sentence(request, Refused(404, "There is no such page."))


def _read(body: bytes, reader: TypeReader[_T]) -> _T:
    try:
        return reader.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise Refused(400, "What was sent cannot be read. Reload the page.") from None


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _own_path(text: str) -> str:
    """Where to go after signing in: one of our own pages, whatever the link says."""
    prefix = "/requests/"
    return text if text.startswith(prefix) and _is_name(text.removeprefix(prefix)) else "/"
