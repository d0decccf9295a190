"""Profiles a CSV: the type of each column, what is missing, and how its values are spread.

It takes files as people export them: ragged rows, empty or repeated headings, a byte order mark, any of the usual
delimiters, quotes that do not match. What it had to put up with is said in `warnings`, never passed over.
"""

import array
import collections
import csv
import io
import itertools
import json
import math
import os
import re
import sys
import time
import zlib

TOP_VALUES = 5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MISSING = frozenset(["", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?"])
# A column is of a type when nearly all of its values are: real tables hold the odd "unknown" among their numbers.
TYPE_SHARE = 0.95
# Past this many different values a column is an identifier or free text. Counting on would cost memory without bound.
DISTINCT_MAXIMUM = 100_000
COLUMN_MAXIMUM = 2_000
VALUE_WIDTH = 200
DELIMITERS = ",;\t|"

# A number as people write it. A leading zero makes a code ("007", a postcode) and not a number.
INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d{0,17})", re.ASCII)
NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
BOOLEAN = frozenset(["true", "false", "yes", "no"])
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class BadInput(Exception):
    pass


def log(text):
    print(text, flush=True)


def read_input(stream):
    try:
        options = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the input is not JSON: {error}") from None
    if not isinstance(options, dict) or not isinstance(options.get("csv"), str):
        raise BadInput('expected {"csv": "…"}, with "delimiter" and "header" where they need saying')
    delimiter = options.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n\0'):
        raise BadInput(f"the delimiter {json.dumps(delimiter)} is not one character, or one that a CSV cannot have")
    header = options.get("header", True)
    if not isinstance(header, bool):
        raise BadInput("header is neither true nor false")
    return options["csv"].lstrip("\ufeff"), delimiter, header


# --- reading ----------------------------------------------------------------------------------------------------


def rows_of(text, delimiter, strict=False):
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict, skipinitialspace=True)


def guess_delimiter(text):
    """The delimiter that splits the first rows into the same number of cells, more than one, most often."""
    sample = text[:65536]
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        widths = [len(row) for row in itertools.islice(rows_of(sample, delimiter), 100) if row]
        if not widths:
            continue
        width, agreeing = collections.Counter(widths).most_common(1)[0]
        score = agreeing / len(widths) * (1 + math.log(width)) if width > 1 else 0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def quotes_match(text, delimiter):
    """Whether the text keeps the rules of RFC 4180 on quotes; without them cells may be cut in the wrong place."""
    try:
        for _ in rows_of(text, delimiter, strict=True):
            pass
    except csv.Error:
        return False
    return True


def column_names(heading, warnings):
    names, repeated = [], []
    taken = set()
    for index, cell in enumerate(heading, 1):
        wanted = cell.strip()[:VALUE_WIDTH] or f"column_{index}"
        name, number = wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        if name != wanted:
            repeated.append(wanted)
        taken.add(name)
        names.append(name)
    if repeated:
        warnings.append(f"repeated headings were numbered: {', '.join(sorted(set(repeated))[:10])}")
    if any(not cell.strip() for cell in heading):
        warnings.append("empty headings were named after their column")
    return names


# --- columns ----------------------------------------------------------------------------------------------------


def type_of(value):
    if INTEGER.fullmatch(value):
        return "integer"
    if NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return "number"
    if value.lower() in BOOLEAN:
        return "boolean"
    date = DATE.fullmatch(value)
    if date and 1 <= int(date[2]) <= 12 and 1 <= int(date[3]) <= DAYS[int(date[2]) - 1]:
        return "date"
    return "string"


def shortened(value):
    return value if len(value) <= VALUE_WIDTH else value[:VALUE_WIDTH - 1] + "…"


class Column:
    """Gathers what there is to know of a column, one value after the other."""

    def __init__(self, name):
        self.name = name
        self.missing = 0
        self.types = collections.Counter()
        self.values = collections.Counter()
        self.overflown = False
        self.numbers = array.array("d")
        self.lowest_integer = self.highest_integer = None
        self.first_date = self.last_date = None
        self.shortest, self.longest = math.inf, 0
        self.strange = {}

    def add(self, cell):
        value = cell.strip()
        if value.lower() in MISSING:
            self.missing += 1
            return
        kind = type_of(value)
        self.types[kind] += 1
        # A long value counts as its beginning, length and checksum: a megabyte of text is not kept to be compared.
        key = value
        if len(value) > 1000:
            checksum = zlib.crc32(value.encode("utf-8", "surrogatepass"))
            key = f"{value[:1000]}\0{len(value)}\0{checksum}"
        if key in self.values or len(self.values) < DISTINCT_MAXIMUM:
            self.values[key] += 1
        else:
            self.overflown = True
        if kind in ("integer", "number"):
            self.numbers.append(float(value))
        if kind == "integer":
            number = int(value)
            self.lowest_integer = number if self.lowest_integer is None else min(self.lowest_integer, number)
            self.highest_integer = number if self.highest_integer is None else max(self.highest_integer, number)
        if kind == "date":
            self.first_date = value if self.first_date is None else min(self.first_date, value)
            self.last_date = value if self.last_date is None else max(self.last_date, value)
        self.shortest, self.longest = min(self.shortest, len(value)), max(self.longest, len(value))
        if len(self.strange.setdefault(kind, [])) < 3:
            self.strange[kind].append(shortened(value))

    def type(self):
        """The column's type, and the types of its values that agree with it."""
        present = sum(self.types.values())
        if not present:
            return "empty", set()
        numeric = self.types["integer"] + self.types["number"]
        if self.types["integer"] and self.types["integer"] >= TYPE_SHARE * present and not self.types["number"]:
            return "integer", {"integer"}
        if numeric and numeric >= TYPE_SHARE * present:
            return "number", {"integer", "number"}
        for kind in ("boolean", "date"):
            if self.types[kind] >= TYPE_SHARE * present:
                return kind, {kind}
        return "string", set(self.types)

    def profile(self):
        kind, agreeing = self.type()
        present = sum(self.types.values())
        result = {
            "name": self.name,
            "type": kind,
            "count": present,
            "missing": self.missing,
            "distinct": len(self.values),
            "distinctIsMinimum": self.overflown,
            "topValues": [
                {"value": shortened(value.partition("\0")[0]), "count": count}
                for value, count in sorted(self.values.items(), key=lambda item: (-item[1], item[0]))[:TOP_VALUES]
            ],
        }
        others = {k: v for k, v in self.strange.items() if k not in agreeing}
        if others:
            result["otherValues"] = {
                "count": sum(self.types[k] for k in others),
                "examples": [v for k in sorted(others) for v in others[k]][:3],
            }
        if kind in ("integer", "number"):
            result["numbers"] = self.number_profile(kind)
        elif kind == "date":
            result["dates"] = {"first": self.first_date, "last": self.last_date}
        elif kind == "string":
            result["lengths"] = {"shortest": self.shortest, "longest": self.longest}
        return result

    def number_profile(self, kind):
        numbers = sorted(self.numbers)
        count = len(numbers)
        # Scaled, so that neither the sum nor the squares of very large numbers leave the range of a double.
        scale = max(abs(numbers[0]), abs(numbers[-1])) or 1.0
        mean = math.fsum(n / scale for n in numbers) / count
        squares = math.fsum((n / scale - mean) ** 2 for n in numbers)
        whole = kind == "integer"
        return {
            "min": self.lowest_integer if whole else numbers[0],
            "max": self.highest_integer if whole else numbers[-1],
            "mean": rounded(mean * scale),
            # Of a sample, as spreadsheets have it; of one value there is none.
            "stddev": rounded(math.sqrt(squares / (count - 1)) * scale) if count > 1 else None,
            "zeros": sum(1 for n in numbers if n == 0),
            "negative": sum(1 for n in numbers if n < 0),
            "quantiles": {f"p{round(q * 100):02}": rounded(quantile(numbers, q)) for q in QUANTILES},
        }


def quantile(numbers, share):
    """Linear between the two nearest values (type 7, what R, NumPy and spreadsheets use)."""
    place = share * (len(numbers) - 1)
    low = math.floor(place)
    high = min(low + 1, len(numbers) - 1)
    part = place - low
    # Not low + part * (high - low): the difference of two large numbers can leave the range of a double.
    return numbers[low] * (1 - part) + numbers[high] * part


def rounded(value):
    """Ten significant digits: enough for any reading, and the same on every machine. None where a double ends."""
    return float(f"{value:.10g}") if math.isfinite(value) else None


# --- the profile ------------------------------------------------------------------------------------------------


def profile(text, delimiter=None, header=True):
    if not text.strip():
        raise BadInput("the CSV is empty")
    warnings = []
    if "\0" in text:
        text = text.replace("\0", "")
        warnings.append("NUL characters were left out")
    log(f"read {len(text):,} characters")
    if delimiter is None:
        delimiter = guess_delimiter(text)
        log(f"the delimiter looks like {json.dumps(delimiter)}")
    if not quotes_match(text, delimiter):
        warnings.append("quotes do not match everywhere: some cells may be cut in the wrong place")

    # A row without any character is a blank line; one of empty cells is a row.
    rows = (row for row in rows_of(text, delimiter) if row)
    first = next(rows, [])
    if len(first) > COLUMN_MAXIMUM:
        raise BadInput(f"{len(first):,} columns are more than the {COLUMN_MAXIMUM:,} that can be profiled")
    names = column_names(first, warnings) if header else [f"column_{n}" for n in range(1, len(first) + 1)]
    columns = [Column(name) for name in names]
    log(f"{len(columns)} columns: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}")

    count = short = long = 0
    for row in rows if header else itertools.chain([first], rows):
        count += 1
        short += len(row) < len(names)
        long += len(row) > len(names)
        while len(columns) < min(len(row), COLUMN_MAXIMUM):
            # A cell beyond the heading gets a column of its own, rather than being lost.
            columns.append(Column(f"column_{len(columns) + 1}"))
            columns[-1].missing = count - 1
        for index, column in enumerate(columns):
            column.add(row[index] if index < len(row) else "")
        if count % 25_000 == 0:
            log(f"profiled {count:,} rows")
    if short or long:
        warnings.append(f"rows of another length than the first: {short:,} shorter, {long:,} longer")
    for warning in warnings:
        log(f"warning: {warning}")
    log(f"profiled {count:,} rows")

    return {
        "rows": count,
        "delimiter": delimiter,
        "raggedRows": {"short": short, "long": long},
        "warnings": warnings,
        "columns": [column.profile() for column in columns],
    }


def main():
    # Cells of any size: the default of 128 KiB would refuse a cell that holds a document.
    csv.field_size_limit(2**31 - 1)
    start = time.monotonic()
    try:
        result = profile(*read_input(sys.stdin))
    except (BadInput, csv.Error) as error:
        print(f"csv-profile: {error}", file=sys.stderr)
        return 2
    with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
        # JSON has no NaN and no infinity: better an error here than an output that nobody can read.
        json.dump(result, file, allow_nan=False, indent=2)
    for column in result["columns"][:20]:
        log(f"  {column['name']}: {column['type']}, {column['missing']:,} missing, {column['distinct']:,} distinct")
    log(f"done in {time.monotonic() - start:.2f} s")
    return 0


if __name__ == "__main__":
    # What comes in and goes out is UTF-8, whatever the locale; a character that cannot be written does not end it.
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
