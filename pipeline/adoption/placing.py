"""Which fold each foreign prediction belongs to, by our table of folds.

A file of all out-of-fold predictions is dealt out by the table; a file of one fold must be of what the table holds out
in one fold.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.adoption import ids, volumes, words
from pipeline.adoption.parts import Part
from pipeline.errors import UserError, shown
from pipeline.store.fold_table import FoldTable
from pipeline.store.prepared import VOLUME, Prepared


@dataclass(frozen=True)
class Owned:
    """A part, and which of our images it is of.

    Attributes: rows: of the prepared table, of each of its pictures. said: how ids were matched; blank where they are
        the same.
    """

    part: Part
    role: str
    rows: np.ndarray
    said: str


@dataclass
class Plan:
    """Where each picture goes.

    Attributes:
        valid: fold -> (part, place) of the images it holds out, in the order of their rows. test: the same of the test
            images, of a fold or of `all`. learnt: fold -> what its files also hold, of images that it learnt.
        notes: what was assumed; warnings: what lowers the trust in a score.
    """

    valid: dict[int, list[tuple[Part, int]]] = field(default_factory=dict)
    test: dict[object, list[tuple[Part, int]]] = field(default_factory=dict)
    learnt: dict[int, dict[int, tuple[Part, int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def owned(part: Part, prepared: Prepared, names: dict[str, str]) -> Owned:
    """Raises UserError where its ids are not of images of one part."""
    every = prepared.table["id"].tolist()
    rows = {words.OOF: prepared.train, words.TEST: prepared.test}
    place = {name: row for row, name in enumerate(every)}
    tried = [part.role] if part.role else list(rows)
    for role in tried:
        try:
            found, said = ids.matched(part.ids, [every[row] for row in rows[role]], names, part.where)
            return Owned(part, role, np.array([place[name] for name in found], int), said)
        except UserError:
            if part.role:
                raise
    # of neither part alone: what there is of both says why
    found, _ = ids.matched(part.ids, every, names, part.where)
    count = sum(prepared.is_train[place[name]] for name in found)
    raise UserError(
        f"{part.where} is of {count} train and {len(found) - count} test images, and no name says what it is; keep "
        "these apart, in files or folders called oof and test"
    )


def all_owned(parts: list[Part], prepared: Prepared, names: dict[str, str]) -> tuple[list[Owned], list[str]]:
    """The parts with their images, and what was left out, a line each: where names say which are the out-of-fold (or
    test) predictions, what else lies there (curves, masks that are decoded already) is none.

    Raises UserError as `owned` does.
    """
    found, notes = [], []
    is_named = any(part.role == words.OOF for part in parts)
    for part in parts:
        if len(part.columns) > 1:
            part, said = _by_column(part, prepared, names)
            notes.append(said)
        sliced = volumes.in_slices(part, prepared, names)
        if sliced:
            notes.append(f"{part.where}: {len(part)} volumes, dealt out to {len(sliced)} slices")
        try:
            # a slice is called as ours are
            found.append(owned(sliced or part, prepared, {} if sliced else names))
        except UserError as error:
            if part.role or not is_named:
                raise
            notes.append(f"left out: {error}")
    named = {one.role for one in found if one.part.role}
    kept = [one for one in found if one.part.role or one.role not in named]
    notes += [f"left out: {one.part.where}: others are called {one.role}" for one in found if one not in kept]
    return kept, notes


def _by_column(part: Part, prepared: Prepared, names: dict[str, str]) -> tuple[Part, str]:
    """The part with the ids of the column of its csv that holds them, and a line that says which.

    Raises UserError where that is not told.
    """
    table, where = prepared.table, str(part.files[-1])
    rows = {words.OOF: prepared.train, words.TEST: prepared.test}
    own = [rows[part.role]] if part.role else [*rows.values(), np.arange(len(table))]
    groups = [table["id"].iloc[places].tolist() for places in own]
    groups.append([name for name in dict.fromkeys(table[VOLUME]) if name])
    column = ids.column_of(part.columns, groups, names, where)
    return replace(part, ids=part.columns[column]), f"{where}: ids are those of the column {column}"


def folds_by_images(parts: list[Owned], table: FoldTable) -> tuple[list[Owned], list[str]]:
    """The parts, where several out-of-fold files whose names say no fold are each of just what a fold holds out, with
    these folds, and a line on it."""
    held = [one for one in parts if one.role == words.OOF]
    of_rows = {frozenset(table.held_out(fold).tolist()): fold for fold in range(table.count)}
    folds = [of_rows.get(frozenset(one.rows.tolist())) for one in held]
    if len(held) < 2 or None in folds or len(set(folds)) < len(folds) or any(one.part.fold is not None for one in held):
        return parts, []
    numbers = dict(zip(map(id, held), folds, strict=True))
    found = [
        replace(one, part=replace(one.part, fold=numbers[id(one)])) if id(one) in numbers else one for one in parts
    ]
    return found, [
        f"{len(held)} files are of the folds whose images they hold: {held[0].part.where} of fold {folds[0]}"
    ]


def plan(parts: list[Owned], table: FoldTable, prepared: Prepared, file: str) -> Plan:
    """Raises UserError where images are missing, or held out by other folds than in the table.

    Args: file: the table of folds, for messages.
    """
    held = [one for one in parts if one.role == words.OOF]
    tests = [one for one in parts if one.role == words.TEST]
    _refuse_several(held, "out-of-fold")
    _refuse_several(tests, "test")
    if not held:
        raise UserError(
            f"{shown([one.part.where for one in tests])}: test predictions alone: thresholds and score come from "
            "out-of-fold ones; bring them, too"
        )
    found = Plan()
    for one in parts:
        if one.said:
            found.notes.append(f"{one.part.where}: ids are matched {one.said}")
    if held[0].part.fold is None:
        _of_one_file(held[0], table, prepared, file, found)
        numbers = _of_tests_alone(tests, found)
    elif _is_of_all_folds(held, table):
        found.notes.append(f"{held[0].part.where} answers every image: of all {table.count} folds together")
        _of_one_file(held[0], table, prepared, file, found)
        numbers = {held[0].part.fold: "all"}
    else:
        numbers = _of_folds(held, table, prepared, file, found)
    _place_tests(tests, numbers, prepared, found)
    return found


def _refuse_several(parts: list[Owned], what: str) -> None:
    folds = [one.part.fold for one in parts]
    whole = folds.count(None)
    if (whole and len(parts) > 1) or len(set(folds)) < len(folds):
        raise UserError(
            f"several {what} predictions of the same: {shown([one.part.where for one in parts], 3)}; name the folder "
            "or the file of one run"
        )


def _of_one_file(one: Owned, table: FoldTable, prepared: Prepared, file: str, found: Plan) -> None:
    """Deals a file of all folds out, by the table."""
    place = {int(row): i for i, row in enumerate(one.rows)}
    folds, lacking = [], {}
    for fold in range(table.count):
        rows = table.held_out(fold).tolist()
        missing = [row for row in rows if row not in place]
        if len(missing) == len(rows):
            continue
        if missing:
            lacking[fold] = missing
        folds.append(fold)
        found.valid[fold] = [(one.part, place[row]) for row in rows if row in place]
    if lacking:
        names = prepared.table["id"].iloc[[row for rows in lacking.values() for row in rows]].tolist()
        raise UserError(
            f"{one.part.where} lacks {len(names)} of the train images of fold {shown(list(lacking))}: {shown(names)}; "
            f"every image that {file} holds out in a fold is wanted, or none of it"
        )
    if not folds:
        raise UserError(f"{one.part.where} holds no image that {file} holds out (all are in fold -1)")
    _note_always_learnt(one, table, found)
    _note_partial(folds, table, found)


def _is_of_all_folds(held: list[Owned], table: FoldTable) -> bool:
    """Of one file whose name tells their number (`oof_cv5`), not that of a fold."""
    is_counted = all(words.counts_folds(path.name, table.count) for path in held[0].part.files[:1])
    return len(held) == 1 and is_counted and set(np.flatnonzero(table.folds >= 0)) <= set(held[0].rows.tolist())


def _of_tests_alone(tests: list[Owned], found: Plan) -> dict[int, int]:
    """Where out-of-fold predictions say nothing of how their folds are numbered: from the number of a fold of test
    predictions to ours, which is one less where they are as many and begin with 1."""
    theirs, ours = sorted(one.part.fold for one in tests if one.part.fold is not None), sorted(found.valid)
    if not theirs or theirs != [fold + 1 for fold in ours]:
        return {}
    found.notes.append(f"folds of test predictions are taken to be numbered from 1: {theirs[0]} is {ours[0]}, …")
    return dict(zip(theirs, ours, strict=True))


def _of_folds(held: list[Owned], table: FoldTable, prepared: Prepared, file: str, found: Plan) -> dict[int, int]:
    """A file for each fold. Returns their number of a fold -> ours."""
    numbers: dict[int, int] = {}
    for one in held:
        own = _fold_of(one, table, prepared, file)
        if own in numbers.values():
            raise UserError(f"{one.part.where}: another file is of fold {own} of {file}, too; remove one")
        numbers[one.part.fold] = own
        place = {int(row): i for i, row in enumerate(one.rows)}
        rows = table.held_out(own).tolist()
        found.valid[own] = [(one.part, place[row]) for row in rows]
        more = {row: (one.part, i) for row, i in place.items() if row not in set(rows)}
        if more:
            found.learnt[own] = more
    others = {theirs: ours for theirs, ours in numbers.items() if theirs != ours}
    if others:
        pairs = ", ".join(f"{theirs} is {ours}" for theirs, ours in sorted(others.items()))
        found.notes.append(f"their folds are numbered in another way than {file}: {pairs}")
    if found.learnt and 0 not in numbers:
        # of images that it learnt a file tells as much as of those that it holds out
        found.warnings.append(
            f"fold(s) {shown(sorted(numbers), 10)} are taken to be numbered from 0, as in {file}; if theirs begin with "
            "1, these are scored on what they learnt: keep in each file what it holds out"
        )
    _note_partial(sorted(found.valid), table, found)
    return numbers


def _fold_of(one: Owned, table: FoldTable, prepared: Prepared, file: str) -> int:
    """The fold of ours of which a file holds everything that is held out; its own number where that is one, else the
    one whose images are just these."""
    rows, number = set(one.rows.tolist()), one.part.fold
    whole = [fold for fold in range(table.count) if rows >= set(table.held_out(fold).tolist())]
    if number in whole:
        return number
    exact = [fold for fold in whole if len(table.held_out(fold)) == len(rows)]
    if exact:
        return exact[0]
    elsewhere = [row for row in one.rows.tolist() if table.folds[row] != number]
    names = prepared.table["id"].iloc[elsewhere].tolist()
    if elsewhere:
        others = Counter(table.folds[elsewhere].tolist()).most_common(1)[0][0]
        raise UserError(
            f"fold {number} of {one.part.where} holds {len(elsewhere)} images that {file} does not hold out in it "
            f"(most of them in fold {others}): {shown(names, 3)}; put the table of their folds in {file} (csv "
            "id,fold), or train on these folds"
        )
    lost = [row for row in table.held_out(number).tolist() if row not in rows]
    raise UserError(
        f"{one.part.where} lacks {len(lost)} of the images that {file} holds out in fold {number}: "
        f"{shown(prepared.table['id'].iloc[lost].tolist(), 3)}; every one of them is wanted"
    )


def _place_tests(tests: list[Owned], numbers: dict[int, int], prepared: Prepared, found: Plan) -> None:
    for one in tests:
        fold = "all" if one.part.fold is None else numbers.get(one.part.fold, one.part.fold)
        if fold != "all" and fold not in found.valid:
            raise UserError(
                f"{one.part.where}: of fold {one.part.fold} there are no out-of-fold predictions; bring them"
            )
        place = {int(row): i for i, row in enumerate(one.rows)}
        missing = [row for row in prepared.test.tolist() if row not in place]
        if missing:
            names = prepared.table["id"].iloc[missing].tolist()
            raise UserError(
                f"{one.part.where} lacks {len(missing)} of the test images: {shown(names)}; predict them, too"
            )
        found.test[fold] = [(one.part, place[row]) for row in prepared.test.tolist()]
    bare = sorted(set(found.valid) - set(found.test))
    if found.test and "all" not in found.test and bare:
        raise UserError(
            f"test predictions are there of fold {shown(list(found.test))}, and not of {shown(bare)}; bring them"
        )


def _note_always_learnt(one: Owned, table: FoldTable, found: Plan) -> None:
    count = int((table.folds[one.rows] < 0).sum())
    if count:
        found.notes.append(f"{one.part.where}: left out {count} images that no fold holds out (fold -1)")


def _note_partial(folds: list[int], table: FoldTable, found: Plan) -> None:
    if len(folds) < table.count:
        found.notes.append(f"out-of-fold predictions of fold(s) {shown(folds, 10)} of {table.count}")
