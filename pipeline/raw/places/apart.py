"""What tells images from masks that lie in one folder: words behind their names, endings, two names in every folder."""

import re
from collections import Counter, defaultdict

from pipeline.raw.places.names import folder_of, forms, normal, stem


def behind(names: list[str]) -> dict[str, str]:
    """What is behind the names of most images in those of other pictures, as `_1stHO`, `_mask`; numbers are none. Of
    each the word that is known to tell masks; blank for any other."""
    stems = {normal(stem(name)) for name in names}
    counts, bases, known = Counter(), set(), {}
    for called in {stem(name) for name in names}:
        cuts = [match.start() for match in re.finditer(r"[_\-. ]", called) if match.start()]
        base = next((called[:cut] for cut in cuts if normal(called[:cut]) in stems), None)
        if base is None:
            continue
        bases.add(base)
        form = next((form for form in forms(called)[1:] if form.key == base), None)
        rest = re.sub(r"[_\-. ]+\(?\d{1,5}\)?$", "", called[len(base) :])
        if rest.strip("_-. "):
            counts[rest] += 1
            known[rest] = form.word if form else ""
    most = max(2, len(bases) / 2)
    return {text: known[text] for text, count in sorted(counts.items()) if count >= most}


def endings(names: list[str]) -> dict[str, list[str]]:
    """ending -> files, where there are two and nearly every name has both."""
    found: dict[str, dict] = defaultdict(dict)
    for name in names:
        base = name.rpartition("/")[2]
        found[base[len(stem(name)) :].lower()][folder_of(name), normal(stem(name))] = name
    if len(found) != 2:
        return {}
    one, other = found.values()
    both = one.keys() & other.keys()
    if not both or len(both) < 0.5 * min(len(one), len(other)):
        return {}
    return {ending: [there[key] for key in sorted(both)] for ending, there in found.items()}


def two_names(names: list[str]) -> dict[str, list[str]]:
    """name -> files, where every folder holds two files that are called alike everywhere: a/image.png, a/mask.png."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[normal(stem(name))].append(name)
    folders = [{folder_of(name) for name in there} for there in found.values()]
    return dict(found) if len(found) == 2 and folders[0] == folders[1] and len(folders[0]) > 1 else {}
