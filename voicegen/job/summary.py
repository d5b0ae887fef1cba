"""How a run ended, and the page that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from voicegen.dataset.relation_counts import RelationCounts, Repeated
from voicegen.dataset.splits import SPLITS
from voicegen.pipeline.plan import AUDIO
from voicegen.pipeline.shards import SHARDS
from voicegen.remote import AnyPath
from voicegen.report import REPORT
from voicegen.text.shown import shown

SAMPLES = 3
"""How many rows a summary shows."""

_REASONS = 5  # that are told of
_WIDTH = 80  # of a terminal


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that is ok, to look at: the beginnings of its texts; the path is relative to the run's folder.

    The answer is empty where nobody was asked.
    """

    question: str
    answer: str
    audio_path: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How a run ended. Counts are of the whole run; times and rates are of this session.

    Attributes:
        rows: that the run has, or has been limited to.
        audio_seconds: of audio in all clips.
        session_rows: finished in this session.
        session_seconds: this session took, models' loading left out.
        session_audio_seconds: of audio made in this session.
        cut_answers: rows of this session that are ok, but whose answer was cut at `chat.max_tokens`.
        made_again: the faults of takes of the run after which others were made, with how many takes had them.
        errors: each reason that rows of the run failed or were rejected, with how many did.
        samples: the first rows of the run that are ok.
        relations: rows of the manifest by split, and those that repeat an earlier one.
    """

    output_dir: AnyPath
    manifest: AnyPath
    rows: int
    ok: int
    rejected: int
    failed: int
    audio_seconds: float
    session_rows: int
    session_seconds: float
    session_audio_seconds: float
    cut_answers: int = 0
    made_again: tuple[tuple[str, int], ...] = ()
    errors: tuple[tuple[str, int], ...] = ()
    samples: tuple[Sample, ...] = ()
    relations: RelationCounts = field(default_factory=RelationCounts)

    @property
    def exit_code(self) -> int:
        """0: all rows are ok; 3: rows failed or were rejected."""
        return 3 if self.failed or self.rejected else 0

    @property
    def reject_rate(self) -> float:
        """Rejected rows of those that are finished and did not fail, 0 to 1."""
        return self.rejected / max(self.ok + self.rejected, 1)

    @property
    def speedup(self) -> float:
        """Times real time: seconds of audio made in a second of this session."""
        return self.session_audio_seconds / self.session_seconds if self.session_seconds else 0.0


def print_summary(summary: RunSummary) -> None:
    """Prints the page that a run ends with."""
    print()
    print(f"rows      {summary.ok} ok, {summary.rejected} rejected, {summary.failed} failed, of {summary.rows}")
    print(f"audio     {length(summary.audio_seconds)}")
    if summary.rejected or summary.made_again:
        takes = sum(count for _, count in summary.made_again)
        print(f"takes     {takes} made again; {summary.reject_rate:.1%} of rows rejected in the end")
    for reason, count in summary.made_again[:5]:
        print(f"  {count} made again: {shown(reason)}")
    for line in relation_lines(summary.relations):
        print(line)
    if summary.session_rows:
        print(
            f"speed     {summary.session_rows / summary.session_seconds:.2f} rows a second, "
            f"{summary.speedup:.1f} times real time, {length(summary.session_seconds)} after loading"
        )
    elif summary.ok + summary.rejected + summary.failed < summary.rows:
        print("speed     no row was finished")
    else:
        print("speed     nothing was left to do")
    for sample in summary.samples:
        print(_fitted(f"  {sample.audio_path}  {sample.question}"))
        if sample.answer:
            print(_fitted(f"      {sample.answer}"))
    for audio in (summary.output_dir / folder for folder in (AUDIO, SHARDS)):
        if audio.is_dir():
            print(f"audio in  {audio}")
    print(f"manifest  {summary.manifest}")
    if (report := summary.output_dir / REPORT).exists():
        print(f"report    {report}")
    if summary.cut_answers:
        answers = "1 answer was" if summary.cut_answers == 1 else f"{summary.cut_answers} answers were"
        resumed = summary.session_rows < summary.ok + summary.rejected + summary.failed
        when = " in this session" if resumed else ""
        print(f"  {answers} cut at chat.max_tokens{when}: finish_reason is `length`, and answer_cut")
        print("  true where only their whole sentences are spoken")
    for reason, count in summary.errors[:_REASONS]:
        print(f"  {count} x {shown(reason)}")
    if more := len(summary.errors[_REASONS:]):
        print(f"  and {more} more {'reason' if more == 1 else 'reasons'}")
    if summary.failed or summary.rejected:
        print("The manifest's column `error` says why each row failed; retry_failed=true tries them again.")
    if summary.rejected:
        print("A rejected take is then drawn anew, with another seed.")


def relation_lines(relations: RelationCounts) -> Iterator[str]:
    """What there is to say of splits and duplicates."""
    if relations.is_split:
        parts = [f"{name} {relations.splits.get(name, 0)}" for name in SPLITS]
        none = relations.splits.get(None)
        yield f"split     {', '.join(parts)}" + (f", none {none} (like rows of two of them)" if none else "")
    repeats = [_repeats(relations.questions, "question"), _repeats(relations.answers, "answer")]
    if any(repeats):
        yield f"repeats   {'; '.join(filter(None, repeats))}"


def _repeats(found: Repeated, what: str) -> str:
    count = found.same + found.near
    noun = what if count == 1 else f"{what}s"
    return f"{count} {noun} ({found.same} the same, {found.near} nearly)" if count else ""


def _fitted(line: str) -> str:
    """A line of a terminal, cut where it is too long."""
    from rich.text import Text

    indent = line[: len(line) - len(line.lstrip())]
    text = Text(indent + " ".join(shown(line).split()))
    text.truncate(_WIDTH, overflow="ellipsis")
    return text.plain


def length(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds >= 3600:
        return f"{seconds / 3600:.2f} hours"
    if seconds >= 60:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds:.1f} seconds"
