"""Reads a document and reports on it: counts, frequent words, key sentences, reading time and readability.

Key sentences are extracted, not written: a sentence scores by how much of the document's vocabulary of weight it
carries, the opening of the document and of a paragraph counts a little more, and a sentence that says what a chosen
one says already counts less.
"""

import collections
import json
import math
import os
import re
import sys
import time

WORDS_PER_MINUTE = 238  # silent reading of English non-fiction, Brysbaert 2019
FREQUENT_WORDS = 10
KEY_SENTENCES = 3
# Past these, a sentence is a list or a table, and before, a heading or an exclamation.
SENTENCE_WORDS = (5, 60)
# Choosing sentences compares them with each other; the best by score alone are enough to choose from.
CANDIDATES = 60

# A word: letters with inner apostrophes and hyphens, or a number with inner separators. In scripts that are written
# without spaces (Chinese, Japanese) each character counts as a word, which is how word processors count them too.
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CJK}]|\d+(?:[.,:]\d+)*|[^\W\d_{CJK}](?:[^\W_{CJK}]|['’\-](?=[^\W_]))*")

# A sentence ends at a terminator with any closing quotes, before white space or the end. What follows is looked at in
# code: as a part of the pattern it would make the time for a long run of "!" grow with the square of its length.
ENDING = re.compile(r"[.!?…]+[\"'”’»)\]]*|[。！？]+[」』”）]*")
ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[^\W\d_]|e\.g|i\.e|etc|vs|cf|ca|approx|mr|mrs|ms|dr|prof|st|jr|sr|inc|ltd|no|nos|vol|pp|"
    r"fig|eq|sec|ch|ed|eds|gen|col|sgt|rev|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|(?:[^\W\d_]\.)+[^\W\d_])$",
    re.IGNORECASE,
)
# Of these, the ones that never end a sentence, even before a capital letter.
TITLE = re.compile(
    r"(?:^|[\s(\"'“‘])(?:mr|mrs|ms|dr|prof|st|gen|col|sgt|rev|fig|eq|vs|cf|e\.g|i\.e|[A-Z])$", re.IGNORECASE
)

STOP_WORDS = frozenset("""
a about above after again against all almost along already also although always am among an and another any are aren't
around as at away back be became because become been before being below between both but by came can can't cannot come
could couldn't did didn't do does doesn't doing don't done down during each either else enough even ever every few
first for from further get gets give given go goes going gone got had hadn't has hasn't have haven't having he he'd
he'll he's her here here's hers herself him himself his how however i i'd i'll i'm i've if in indeed instead into is
isn't it it'd it'll it's its itself just keep kept last least less let let's like made make many may maybe me might
mine more most much must my myself near need never next no none nor not nothing now of off often on once one only onto
or other others our ours ourselves out over own per perhaps put quite rather really said same say says see seem seemed
seems several shall she she'd she'll she's should shouldn't since so some something soon still such take than that
that's the their theirs them themselves then there there's therefore these they they'd they'll they're they've thing
things this those though through thus to together too toward towards two under until up upon us use used uses very want
was wasn't way we we'd we'll we're we've well went were weren't what what's whatever when where whether which while who
who's whole whom whose why will with within without won't would wouldn't yet you you'd you'll you're you've your yours
yourself yourselves
""".split())


class BadInput(Exception):
    pass


def log(text):
    print(text, flush=True)


def read_input(stream):
    try:
        document = json.load(stream)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the input is not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("text"), str):
        raise BadInput('expected {"text": "…", "title": "…"}, where the title may be left out')
    title = document.get("title")
    if title is not None and not isinstance(title, str):
        raise BadInput("the title is not a string")
    return title, document["text"].replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")


# --- words and sentences ----------------------------------------------------------------------------------------


def words_of(text):
    return WORD.findall(text)


def folded(word):
    """The form that words are counted in: without case, and a possessive as the word itself."""
    word = word.casefold().replace("’", "'")
    return word[:-2] if word.endswith("'s") else word


def paragraphs_of(text):
    """Paragraphs are set apart by an empty line. Lines within one belong together."""
    return [" ".join(p.split()) for p in re.split(r"\n[^\S\n]*\n", text) if p.strip()]


def sentences_of(paragraph):
    sentences = []
    start = 0
    for ending in ENDING.finditer(paragraph):
        end = ending.end()
        if ending.group()[0] in ".!?…" and end < len(paragraph):
            if paragraph[end] != " ":
                continue
            before, after = paragraph[max(start, ending.start() - 24):ending.start()], paragraph[end + 1:end + 3]
            # A terminator before a small letter is no end ("Really?" he asked), nor is a full stop after a title.
            # After another abbreviation only a capital letter begins a new sentence.
            if after[0].islower():
                continue
            if ending.group() == "." and TITLE.search(before):
                continue
            if ending.group() == "." and ABBREVIATION.search(before) and not after.lstrip("\"'“‘(")[:1].isupper():
                continue
        sentences.append(paragraph[start:end].strip())
        start = end
    sentences.append(paragraph[start:].strip())
    return [s for s in sentences if WORD.search(s)]


# --- readability ------------------------------------------------------------------------------------------------


def syllables_of(word):
    """Estimates the syllables of an English word: groups of vowels, but for those that are silent."""
    letters = re.sub(r"[^a-z]", "", word)
    if len(letters) <= 3:
        return 1
    count = len(re.findall(r"[aeiouy]+", letters))
    silent = re.search(r"[^aeiouyl]e$|[^aeiouy]es$|[^aeiouytd]ed$", letters)
    if silent and not re.search(r"(?:[sxz]|[cs]h|[cg])es$", letters):
        count -= 1
    # In "react", "lion" or "idea" two vowels that stand together are two syllables.
    count += len(re.findall(
        r"ia(?!n$|l$|ge$)|[^ct]ia[nl]$|[^cgst]io|eo(?!us|ple)|[^gq]ua(?!r)|[^bq]uo|ying$|[^aeiou]ien|iet|ism$|creat|"
        r"(?:id|ar)ea|^react|[^aeious]eing$|oe[mt]", letters))
    return max(1, count)


LEVELS = [
    (90, "very easy"), (80, "easy"), (70, "fairly easy"), (60, "plain English"), (50, "fairly difficult"),
    (30, "difficult"), (-math.inf, "very difficult"),
]


def readability_of(words, sentence_count):
    """Flesch reading ease and Flesch-Kincaid grade, or None for a text that is not in the Latin alphabet: both are
    fitted to English, and mean nothing elsewhere."""
    letters = [w for w in words if w[0].isalpha()]
    english = [w for w in letters if w[0].isascii() or w[0] in "àâäáæçéèêëíîïñóôöøœúùûüß"]
    if not letters or len(english) < 0.8 * len(letters):
        return None
    syllables = sum(syllables_of(word) * n for word, n in collections.Counter(english).items())
    per_sentence = len(letters) / sentence_count
    per_word = syllables / len(english)
    ease = 206.835 - 1.015 * per_sentence - 84.6 * per_word
    return {
        "fleschReadingEase": round(ease, 1),
        "fleschKincaidGrade": round(max(0.0, 0.39 * per_sentence + 11.8 * per_word - 15.59), 1),
        "level": next(name for bound, name in LEVELS if ease >= bound),
    }


# --- key sentences ----------------------------------------------------------------------------------------------


def is_content(word):
    return word not in STOP_WORDS and not word[0].isdigit() and (len(word) > 2 or not word.isascii())


def key_sentences(paragraphs, frequencies, title):
    """The sentences that say most, in the order of the document."""
    title_words = {w for w in map(folded, words_of(title or "")) if is_content(w)}
    candidates = []
    number = 0
    for paragraph_index, sentences in enumerate(paragraphs):
        for index, sentence in enumerate(sentences):
            number += 1
            words = [folded(w) for w in words_of(sentence)]
            content = {w for w in words if is_content(w)}
            if not content:
                continue
            # A word weighs by the logarithm of its frequency, so that one frequent word does not decide alone; the
            # root of the length keeps long sentences from winning by length.
            weight = sum(math.log(1 + frequencies[w]) for w in content) / math.sqrt(len(words))
            weight *= 1 + 0.15 * len(content & title_words)
            weight *= 1.25 if paragraph_index == 0 and index == 0 else 1.1 if index == 0 else 1.0
            if not SENTENCE_WORDS[0] <= len(words) <= SENTENCE_WORDS[1]:
                weight *= 0.4
            candidates.append((weight, number, sentence, content))
    candidates.sort(key=lambda c: (-c[0], c[1]))
    candidates = candidates[:CANDIDATES]

    chosen = []
    while candidates and len(chosen) < KEY_SENTENCES:
        def value(candidate):
            overlap = max((len(candidate[3] & c[3]) / len(candidate[3] | c[3]) for c in chosen), default=0)
            return candidate[0] * (1 - overlap)

        best = max(candidates, key=value)
        candidates.remove(best)
        if value(best) > 0:
            chosen.append(best)
    top = max((c[0] for c in chosen), default=1)
    return [
        {"position": number, "score": round(weight / top, 3), "sentence": sentence}
        for weight, number, sentence, _ in sorted(chosen, key=lambda c: c[1])
    ]


# --- the report -------------------------------------------------------------------------------------------------


def report_on(title, text):
    log(f"read {len(text):,} characters" + (f" of {title!r}" if title else ""))
    words = [folded(w) for w in words_of(text)]
    if not words:
        raise BadInput("the text holds no words")
    frequencies = collections.Counter(words)
    log(f"counted {len(words):,} words, {len(frequencies):,} of them different")

    paragraphs = [s for s in map(sentences_of, paragraphs_of(text)) if s]
    sentence_count = sum(map(len, paragraphs))
    log(f"found {sentence_count:,} sentences in {len(paragraphs):,} paragraphs")

    content = collections.Counter({w: n for w, n in frequencies.items() if is_content(w)})
    # By count, then by the alphabet: the same text gives the same report.
    frequent = sorted(content.items(), key=lambda item: (-item[1], item[0]))[:FREQUENT_WORDS]
    if frequent:
        log("most frequent: " + ", ".join(f"{w} ({n})" for w, n in frequent[:5]))

    sentences = key_sentences(paragraphs, frequencies, title)
    log(f"chose {len(sentences)} key sentences")

    readability = readability_of(words, sentence_count)
    if readability:
        log(f"readability: {readability['fleschReadingEase']} ({readability['level']})")
    else:
        log("readability: none, as the measure is made for English")

    return {
        "title": title,
        "characters": len(text),
        "words": len(words),
        "uniqueWords": len(frequencies),
        "sentences": sentence_count,
        "paragraphs": len(paragraphs),
        "averageSentenceWords": round(len(words) / sentence_count, 1),
        "averageWordLength": round(sum(map(len, words)) / len(words), 1),
        "readingTimeSeconds": math.ceil(len(words) * 60 / WORDS_PER_MINUTE),
        "readability": readability,
        "frequentWords": [{"word": w, "count": n} for w, n in frequent],
        "keySentences": sentences,
    }


def main():
    start = time.monotonic()
    try:
        result = report_on(*read_input(sys.stdin))
    except BadInput as error:
        print(f"text-report: {error}", file=sys.stderr)
        return 2
    with open(os.environ["OUTPUT"], "w", encoding="utf-8") as file:
        # A lone surrogate is possible in JSON and not in UTF-8: escapes carry both.
        json.dump(result, file, ensure_ascii=True, indent=2)
    log(f"done in {time.monotonic() - start:.2f} s")
    return 0


if __name__ == "__main__":
    # What comes in and goes out is UTF-8, whatever the locale; a character that cannot be written does not end it.
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
