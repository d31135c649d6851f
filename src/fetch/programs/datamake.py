"""Functions as programs of datamake: one of them under a decorator, and `datamake.main()` at the end.

    import datamake

    @datamake.row
    def score(text):                      # parameters are columns; **rest takes the others
        return {"score": len(text)}       # with a single column, its value alone will do

    datamake.main()

`row`    a function of one row; an exception makes it a failed row
`group`  a function of a list of rows (dicts), which returns or yields rows
`table`  a function of an iterator over all rows, which returns or yields rows
`maker`  a function of nothing, which returns or yields rows

What is printed goes to stderr. Nothing but the standard library is needed, of Python 3.8 or later.
"""

import inspect
import json
import os
import sys
import traceback

_registered = None


def _register(per):
    def decorate(function):
        global _registered
        if _registered is not None:
            sys.exit("datamake: a program has one function, and both `%s` and `%s` are decorated"
                     % (_registered[1].__name__, function.__name__))
        _registered = per, function
        return function
    return decorate


row = _register("row")
group = _register("group")
table = _register("table")
maker = _register("maker")


def main():
    """Serves rows until there are no more."""
    if _registered is None:
        sys.exit("datamake: no function is decorated with @datamake.row, .group, .table or .maker")
    per, function = _registered
    wanted = os.environ.get("DATAMAKE_PER", per)
    if wanted != per:
        sys.exit("datamake: `%s` is decorated with @datamake.%s, and the manifest says %s" % (
            function.__name__, per, "a maker" if wanted == "maker" else 'per = "%s"' % wanted))
    # Whatever else writes to stdout, C libraries too, writes to stderr from here on.
    sys.stdout.flush()
    out = os.fdopen(os.dup(1), "wb", 1 << 20)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    rows = sys.stdin.buffer
    if per == "maker":
        _write_all(out, function())
    elif per == "table":
        _write_all(out, function(json.loads(line) for line in rows if line.strip()))
    else:
        stays = "DATAMAKE_PER" in os.environ
        if stays:
            out.write(b'{"datamake": "stays"}\n')
            out.flush()
        answer = _row_by_row(function) if per == "row" else function
        for given in _groups(rows):
            _write_all(out, answer(given))
            if stays:
                out.write(b"\n")
            out.flush()
    out.close()


def _groups(lines):
    """Yields row groups; each ends in an empty line, or with the input."""
    given = []
    for line in lines:
        if line.strip():
            given.append(line)
        elif given:
            yield json.loads(b"[" + b",".join(given) + b"]")
            given = []
    if given:
        yield json.loads(b"[" + b",".join(given) + b"]")


def _plain(value):
    """Makes plain values of those of NumPy and its like."""
    for name in ("tolist", "item", "isoformat"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError("a value of type %s has no form in JSON" % type(value).__name__)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain).encode


def _write_all(out, rows):
    if rows is None:
        sys.exit("datamake: `%s` returned None instead of rows" % _registered[1].__name__)
    for made in rows:
        out.write(made if isinstance(made, bytes) else _encode(made).encode() + b"\n")


def _row_by_row(function):
    columns = json.loads(os.environ.get("DATAMAKE_COLUMNS", "[]"))
    call = None

    def answer(given):
        nonlocal call
        for one in given:
            if call is None:
                call = _caller(function, one)
            try:
                made = call(one)
                if not isinstance(made, dict):
                    if len(columns) != 1:
                        raise TypeError("%s() returned %s, and not a dict of columns"
                                        % (function.__name__, type(made).__name__))
                    made = {columns[0]: made}
                yield _encode(made).encode() + b"\n"
            except Exception as error:
                yield _encode({"error": _reason(error)}).encode("utf-8", "replace") + b"\n"
    return answer


def _caller(function, first):
    """Finds which columns the function wants."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return lambda given: function(**given)
    named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    absent = [p.name for p in named if p.name not in first and p.default is p.empty]
    if absent:
        sys.exit("datamake: %s() wants the column `%s`, and is given %s: is it in `reads`?" % (
            function.__name__, absent[0], ", ".join("`%s`" % name for name in first)))
    names = [p.name for p in named if p.name in first]
    return lambda given: function(**{name: given[name] for name in names})


def _reason(error):
    """Says what went wrong, and where in the user's own file."""
    text = "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        here = os.path.relpath(frame.filename)
        if frame.filename != __file__ and not here.startswith(".."):
            return "%s (%s, line %d)" % (text, here, frame.lineno)
    return text
