"""The machinery under every dialect: bytes pass, the last piece waits, errors fit where the answer stands."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Failed, Finished, Observed, Relay, RequestView
from aibridge_core.dialects.interceptor import AnswerInterceptor, Verdict
from aibridge_core.errors import BridgeError, UpstreamBroken
from aibridge_core.records import ErrorType, Fact, ModelThought
from aibridge_core.sse import SseEvent
from aibridge_core.wire import AnswerHead
from support.answers import JSON, LINE_ENDS, STREAM, answer, byte_by_byte, cuts, outcome, with_line_ends


class WordReader:
    """An API whose answers are words: each is a fact. `hide` is hidden, `bye` and `oops` end the answer."""

    def __init__(self) -> None:
        self.response_id = ""
        self.failure: Failed | None = None
        self.complete = False
        self.finish_reasons: Sequence[str] = ()
        self.words: list[str] = []

    def event(self, event: SseEvent) -> Verdict:
        if not event.data:
            return Verdict.PASS
        word = event.data.decode()
        self.words.append(word)
        self.response_id = self.response_id or word
        self.complete = word == "bye"
        self.finish_reasons = ("said bye",) if self.complete else ()
        if word == "oops":
            self.failure = Failed(ErrorType.OVERLOADED, "oops")
        return {"hide": Verdict.HIDE, "bye": Verdict.LAST, "oops": Verdict.LAST}.get(word, Verdict.PASS)

    def body(self, data: bytes) -> None:
        self.words = data.decode().split()
        self.complete = "bye" in self.words
        if not self.complete:
            self.failure = Failed(ErrorType.UNKNOWN, "not words")

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        return [ModelThought(response_id="", content=word + "..." * partial) for word in self.words]


class WordVoice:
    keep_alive = b": still here\n\n"

    def refuse(self, error: BridgeError) -> bytes:
        return f"error: {error.message}".encode()

    def error_event(self, error: BridgeError) -> bytes:
        return b"data: " + self.refuse(error) + b"\n\n"


def words(*, streaming: bool = True, edits: bool = False, max_read: int = 1000) -> AnswerInterceptor:
    request = RequestView(body=b"", model="m", streaming=streaming)
    return AnswerInterceptor(
        request=request, voice=WordVoice(), new_reader=WordReader, edits_answers=edits, max_read=max_read
    )


def contents(facts: Sequence[Fact]) -> list[str]:
    return [fact.content for fact in facts if isinstance(fact, ModelThought)]


BROKEN = UpstreamBroken("gone")
TALK = b": hello\n\ndata: a\n\ndata: b\n\ndata: bye\n\n"


class TestStreams:
    def test_bytes_pass_as_they_come(self) -> None:
        """A piece that holds no last event is relayed at once, whole, wherever it was cut."""
        interceptor = words()
        interceptor.begin_turn(STREAM)
        assert list(interceptor.feed(b"data: a\n\nda")) == [Relay(b"data: a\n\nda")]
        assert list(interceptor.feed(b"ta: b")) == [Relay(b"ta: b")]

    def test_the_last_event_waits_for_the_records(self) -> None:
        """All before the last event goes out, then the facts are known, then the event may follow."""
        interceptor = words()
        interceptor.begin_turn(STREAM)
        assert list(interceptor.feed(b"data: a\n\ndata: bye\n\n: x\n\n")) == [
            Relay(b"data: a\n\n"),
            Observed(ModelThought(response_id="", content="a")),
            Observed(ModelThought(response_id="", content="bye")),
            Finished(("said bye",)),
            Relay(b"data: bye\n\n: x\n\n", last=True),
        ]
        assert list(interceptor.feed(b": later\n\n")) == [Relay(b": later\n\n")]
        assert list(interceptor.end_turn()) == []

    def test_a_last_event_that_began_earlier_is_held_from_there(self) -> None:
        """Of the piece that ends the answer nothing goes out at once, however much follows in it."""
        seen = answer(words(), [b"data: a\n\ndata: b", b"ye\n\n: and much more behind it\n\n"])
        assert seen.at_once == b"data: a\n\ndata: b"
        assert contents(seen.facts) == ["a", "bye"]

    @given(st.data(), st.sampled_from([TALK, TALK + b"\n: after\n\n"]), st.sampled_from(list(LINE_ENDS)))
    def test_cuts_change_nothing(self, data: st.DataObject, stream: bytes, line_ends: str) -> None:
        """In any cut the client gets the same bytes, the same facts are seen, and the end of the answer is held."""
        stream = with_line_ends(stream, line_ends)
        seen = answer(words(), data.draw(cuts(stream)))
        assert seen.relayed == stream
        assert contents(seen.facts) == ["a", "b", "bye"]
        assert seen.failures == []
        assert not re.search(rb"bye(?>\r\n|\n|\r)[\r\n]", seen.at_once)

    def test_an_error_event_ends_an_answer_that_is_not_whole(self) -> None:
        """What was seen before an error is partial; the error is known before its event goes out."""
        seen = answer(words(), [b"data: a\n\ndata: oops\n\n"])
        assert contents(seen.facts) == ["a...", "oops..."]
        assert seen.failures == [Failed(ErrorType.OVERLOADED, "oops")]
        assert seen.held == b"data: oops\n\n"

    def test_an_end_without_the_last_event_is_a_failure(self) -> None:
        """A provider that closes in good order but too early leaves an incomplete answer."""
        seen = answer(words(), [b"data: a\n\n"])
        assert contents(seen.facts) == ["a..."]
        assert [failure.error_type for failure in seen.failures] == [ErrorType.INCOMPLETE]

    def test_a_last_event_without_its_blank_line_counts(self) -> None:
        """Clients read it, so the answer is whole."""
        seen = answer(words(), [b"data: a\n\ndata: bye"])
        assert (contents(seen.facts), seen.failures) == (["a", "bye"], [])

    def test_a_broken_stream_gives_what_was_seen(self) -> None:
        """The facts come as partial; who broke it is for the caller to say."""
        seen = answer(words(), [b"data: a\n\ndata: by"], broken=True)
        assert (contents(seen.facts), seen.failures) == (["a..."], [])

    def test_events_over_the_limit_pass_unread(self) -> None:
        """An event that is too long to be held in memory is relayed all the same."""
        stream = b"data: a\n\ndata: " + b"x" * 50 + b"\n\ndata: bye\n\n"
        seen = answer(words(max_read=20), byte_by_byte(stream))
        assert seen.relayed == stream
        assert contents(seen.facts) == ["a", "bye"]


class TestEditedStreams:
    def test_hidden_events_are_left_out(self) -> None:
        """Of an edited stream the client gets whole events, without the hidden ones, in any cut."""
        stream = b"data: a\n\ndata: hide\n\n: note\n\ndata: bye\n\n"
        for pieces in ([stream], byte_by_byte(stream)):
            seen = answer(words(edits=True), pieces)
            assert seen.relayed == b"data: a\n\n: note\n\ndata: bye\n\n"
            assert seen.held == b"data: bye\n\n"
            assert contents(seen.facts) == ["a", "hide", "bye"]

    def test_nothing_of_an_event_goes_out_before_it_is_whole(self) -> None:
        """Whether it is hidden is known only at its end."""
        interceptor = words(edits=True)
        interceptor.begin_turn(STREAM)
        assert list(interceptor.feed(b"data: a\n\ndata: hi")) == [Relay(b"data: a\n\n")]
        assert list(interceptor.feed(b"de\n\n")) == []

    def test_the_last_event_takes_along_what_follows(self) -> None:
        """Bytes after the last event belong to the last piece, in their order."""
        seen = answer(words(edits=True), [b"data: bye\n\n: x\n\n: y"])
        assert seen.held == b"data: bye\n\n: x\n\n: y"

    @pytest.mark.parametrize(("rest", "for_the_client"), [(b"data: b", b"data: b"), (b"data: hide", b"")])
    def test_an_event_cut_short_by_the_end(self, rest: bytes, for_the_client: bytes) -> None:
        """What the end of the stream leaves over is relayed, unless it is to be hidden."""
        seen = answer(words(edits=True), [b"data: a\n\n" + rest])
        assert (seen.at_once, seen.held) == (b"data: a\n\n", for_the_client)

    def test_a_broken_stream_ends_between_events(self) -> None:
        """Half an event is not given out, so that an error may follow."""
        interceptor = words(edits=True)
        seen = answer(interceptor, [b"data: a\n\ndata: b"], broken=True)
        assert seen.relayed == b"data: a\n\n"
        assert interceptor.fail(BROKEN) == b"data: error: gone\n\n"


class TestWholeBodies:
    def test_the_last_piece_waits_for_the_records(self) -> None:
        """Each piece goes out when the next has come; the last one when the body was read."""
        interceptor = words(streaming=False)
        interceptor.begin_turn(JSON)
        assert list(interceptor.feed(b"a ")) == []
        assert list(interceptor.feed(b"b ")) == [Relay(b"a ")]
        assert list(interceptor.feed(b"")) == []
        assert list(interceptor.feed(b"bye")) == [Relay(b"b ")]
        seen = outcome(interceptor.end_turn())
        assert (contents(seen.facts), seen.held) == (["a", "b", "bye"], b"bye")

    def test_a_body_that_cannot_be_read_is_a_failure(self) -> None:
        """It is relayed as it is."""
        seen = answer(words(), [b"hm"], head=JSON)
        assert seen.failures == [Failed(ErrorType.UNKNOWN, "not words")]
        assert seen.relayed == b"hm"

    def test_a_broken_body_is_not_judged(self) -> None:
        """Half a body is no wrong body: only the break is to blame."""
        seen = answer(words(), [b"a ", b"b"], head=JSON, broken=True)
        assert (seen.failures, seen.at_once, seen.held) == ([], b"a b", b"")

    def test_a_body_over_the_limit_passes_unread(self) -> None:
        """It is too large to be kept for its facts, and relayed all the same."""
        seen = answer(words(max_read=4), [b"a bye", b" c"], head=JSON)
        assert (seen.facts, seen.failures, seen.relayed) == ([], [], b"a bye c")

    def test_an_empty_body_has_no_last_piece(self) -> None:
        """There is nothing to hold back; the failure is known all the same."""
        seen = answer(words(), [], head=JSON)
        assert (seen.relayed, len(seen.failures)) == (b"", 1)

    def test_an_error_status_is_read_as_an_error(self) -> None:
        """Whatever an answer with an error status holds, its facts aren't those of an answer."""
        head = AnswerHead(status=529, headers=STREAM.headers)
        seen = answer(words(), [b'{"error": {"message":', b' "busy"}}'], head=head)
        assert seen.failures == [Failed(ErrorType.OVERLOADED, "busy")]
        assert (seen.facts, seen.held) == ([], b' "busy"}}')


@pytest.mark.parametrize(
    ("content_type", "asked", "read_as_stream"),
    [
        (b"text/event-stream", True, True),
        (b"Text/Event-Stream; charset=utf-8", False, True),
        (b"application/json", True, False),
        (b"application/problem+json; charset=utf-8", True, False),
        (b"text/plain", True, True),
        (b"text/plain", False, False),
        (None, True, True),
        (None, False, False),
    ],
)
def test_how_a_body_is_read(content_type: bytes | None, asked: bool, read_as_stream: bool) -> None:
    """Its content type decides if it says stream or JSON; else, what was asked for."""
    headers = ((b"content-type", content_type),) if content_type else ()
    body = b"data: a\n\ndata: bye\n\n" if read_as_stream else b"a bye"
    seen = answer(words(streaming=asked), [body], head=AnswerHead(status=200, headers=headers))
    assert (contents(seen.facts), seen.failures) == (["a", "bye"], [])


class TestSpeakingUp:
    def test_before_an_answer_an_error_is_a_body(self) -> None:
        """No head has gone out, so the error is a whole answer."""
        interceptor = words()
        assert interceptor.fail(BROKEN) == b"error: gone"
        assert interceptor.keep_alive() == b""
        assert list(interceptor.end_turn(broken=True)) == []

    @pytest.mark.parametrize(
        ("received", "may_speak"),
        [(b"", True), (b"data: a\n\n", True), (b"data: a", False), (b"data: a\n", False), (b"data: bye\n\n", False)],
    )
    def test_inside_a_stream_only_between_events(self, received: bytes, may_speak: bool) -> None:
        """An error or a sign of life is an event of its own; it never tears another, nor follows the last."""
        interceptor = words()
        interceptor.begin_turn(STREAM)
        interceptor.feed(received)
        assert interceptor.keep_alive() == (b": still here\n\n" if may_speak else b"")
        interceptor.end_turn(broken=True)
        assert interceptor.fail(BROKEN) == (b"data: error: gone\n\n" if may_speak else b"")

    def test_inside_a_whole_body_never(self) -> None:
        """Nothing can be put into JSON that has begun."""
        interceptor = words()
        interceptor.begin_turn(JSON)
        assert (interceptor.keep_alive(), interceptor.fail(BROKEN)) == (b"", b"")

    def test_an_editing_stream_always_stands_between_events(self) -> None:
        """The client has whole events only, whatever has come from the provider."""
        interceptor = words(edits=True)
        interceptor.begin_turn(STREAM)
        interceptor.feed(b"data: a")
        assert interceptor.keep_alive() == b": still here\n\n"


def test_each_turn_is_read_afresh() -> None:
    """Another upstream answer has its own id and facts."""
    interceptor = words()
    assert interceptor.response_id == ""
    answer(interceptor, [b"data: a\n\ndata: bye\n\n"])
    assert interceptor.response_id == "a"
    assert contents(answer(interceptor, [b"data: b\n\ndata: bye\n\n"]).facts) == ["b", "bye"]
    assert interceptor.response_id == "b"
