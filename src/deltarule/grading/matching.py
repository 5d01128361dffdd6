"""Whose a submission is: by the ids of a roster, or by a name that one person alone has."""

import itertools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deltarule.grading.record import SubmissionResult

if TYPE_CHECKING:
    from deltarule.grading.roster import Person

MAX_PERMUTED_PARTS = 5
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "æ": "ae"})


@dataclass(frozen=True)
class Match:
    """The rows of a roster that may be a submission's, why this is uncertain, if it is, and what decided."""

    rows: list[int]
    reason: str = ""
    by: str = ""


def match_people(submissions: Sequence[SubmissionResult], people: Sequence["Person"]) -> list[Match]:
    """The people whose submissions these are; two that are one person's are uncertain both."""
    prefix = os.path.commonprefix([result.student for result in submissions])
    is_classroom = any("github_username" in person.row for person in people)  # its folders are named ASSIGNMENT-LOGIN
    slugs = ["", *(prefix[: i + 1] for i, letter in enumerate(prefix) if letter == "-" and is_classroom)]
    matches = [_find(result, people, slugs) for result in submissions]
    claims = Counter(match.rows[0] for match in matches if not match.reason)
    for i, match in enumerate(matches):
        if not match.reason and claims[match.rows[0]] > 1:
            count = claims[match.rows[0]]
            reason = f"{count} submissions are those of {_names(match.rows, people)}: none counts; keep one"
            matches[i] = replace(match, reason=reason)
    return matches


def _find(result: SubmissionResult, people: Sequence["Person"], slugs: Sequence[str]) -> Match:
    delivered = (result.delivered or result.student).casefold()
    names = {delivered, re.sub(r" \(.*\)$", "", delivered)}  # without what distinguishes files of one name
    texts = {name.removeprefix(slug.casefold()) for name in names for slug in slugs}
    keys = frozenset[str]().union(*map(name_keys, names))

    def rows_where(is_theirs: Callable[["Person"], object]) -> set[int]:
        return {i for i, person in enumerate(people) if is_theirs(person)}

    by_login = rows_where(lambda person: texts & person.ids)
    by_mail = rows_where(lambda person: result.email in person.ids)
    by_id = by_login | by_mail | rows_where(lambda person: result.id.casefold() in person.ids)
    named = rows_where(lambda person: keys & person.keys) or (set() if by_id else _rows_of_group(keys, people))
    if by_id and named and not by_id & named:
        reason = f"its id is that of {_names(by_id, people)}, its name that of {_names(named, people)}"
        return Match(sorted(by_id | named), reason)
    rows = sorted(by_id & named or by_id or named)
    if not rows:
        return Match(rows, "not in the roster")
    if len(rows) > 1:
        return Match(rows, f"{len(rows)} rows of the roster fit it")
    if not (by_login or by_mail or named) and _has_other_name(keys, people[rows[0]]):
        return Match(rows, f"its number is that of {_names(rows, people)}, whose name is another")
    if not by_id and _has_other_mail(result.email, people[rows[0]]):
        return Match(rows, f"it has the name of {_names(rows, people)}, and another e-mail, {result.email}")
    return Match(rows, "", "e-mail" if by_mail else "id" if by_id else "name")


def _rows_of_group(keys: frozenset[str], people: Sequence["Person"]) -> set[int]:
    """The first row of the group that is meant, as Canvas names what a group hands in; all rows of several groups."""
    rows = {i for i, person in enumerate(people) if person.group and keys & name_keys(person.group)}
    return {min(rows)} if len({people[i].group for i in rows}) == 1 else rows


def _has_other_name(keys: Iterable[str], person: "Person") -> bool:
    """Whether no part of a person's name is in what was delivered."""
    parts = {key for part in re.findall(r"\w\w+", person.name) for key in name_keys(part)}
    return bool(parts) and not any(part in key for part in parts for key in keys)


def _has_other_mail(email: str, person: "Person") -> bool:
    """Whether a person has an e-mail of the same domain; a private one may be anybody's."""
    _, at, domain = email.partition("@")
    return bool(at) and any(known.endswith(f"@{domain}") for known in person.ids)


def _names(rows: Iterable[int], people: Sequence["Person"]) -> str:
    return " and ".join(people[i].title for i in rows)


def name_keys(name: str) -> frozenset[str]:
    """The letters of a name as systems may write it: its parts in any order, without or with its umlauts' e.

    >>> sorted(name_keys("Müller, Jörg"))
    ['joergmueller', 'jorgmuller', 'muellerjoerg', 'mullerjorg']
    """
    keys = set()
    for text in (name.casefold(), name.casefold().translate(_UMLAUTS)):
        plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
        parts = re.findall(r"[^\W_]+", plain)
        orders = itertools.permutations(parts) if len(parts) <= MAX_PERMUTED_PARTS else [parts]
        keys |= {"".join(order) for order in orders}
    return frozenset(keys - {""})
