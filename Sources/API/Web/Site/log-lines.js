// Makes lines of a log's pieces: characters that were cut in two, carriage returns, and the colours of a terminal.

/** Every escape sequence: CSI, OSC and the like with their content, and the short ones. */
const escapes = /\x1b(?:\[([0-9;:]*)([ -/]*[@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~]|$)/g;
/** What is left of controls is not shown; tabs stay. */
const controls = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** Characters of a row: a longer line is shown in several, since a browser is slow with one that is megabytes long. */
const longest = 8192;

const plain = Object.freeze({ classes: "", color: null, background: null });
const styles = { 1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 9: "s" };
const ends = { 22: ["b", "d"], 23: ["i"], 24: ["u"], 27: ["r"], 29: ["s"] };

function cube(index) {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (part) => (part === 0 ? 0 : 55 + part * 40);
  const rest = index - 16;
  return `rgb(${level(Math.floor(rest / 36))} ${level(Math.floor(rest / 6) % 6)} ${level(rest % 6)})`;
}

/** The colour at `codes[at]`, behind 38 or 48: [a number of the sixteen or CSS, codes that were taken]. */
function extended(codes, at) {
  if (codes[at] === 5 && codes[at + 1] <= 255) return [codes[at + 1] < 16 ? codes[at + 1] : cube(codes[at + 1]), 2];
  const [red, green, blue] = codes.slice(at + 1, at + 4);
  if (codes[at] === 2 && [red, green, blue].every((part) => part <= 255)) return [`rgb(${red} ${green} ${blue})`, 4];
  return [null, 1];
}

/** What "select graphic rendition" makes of a style. */
function rendition(before, parameters) {
  const codes = parameters.split(/[;:]/).map(Number);
  let { flags = [], color = null, background = null } = before;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) [flags, color, background] = [[], null, null];
    else if (styles[code]) flags = [...new Set([...flags, styles[code]])];
    else if (ends[code]) flags = flags.filter((flag) => !ends[code].includes(flag));
    else if (code >= 30 && code <= 37) color = code - 30;
    else if (code >= 90 && code <= 97) color = code - 82;
    else if (code === 39) color = null;
    else if (code >= 40 && code <= 47) background = code - 40;
    else if (code >= 100 && code <= 107) background = code - 92;
    else if (code === 49) background = null;
    else if (code === 38 || code === 48) {
      const [value, taken] = extended(codes, at + 1);
      if (code === 38) color = value;
      else background = value;
      at += taken;
    }
  }
  if (flags.length === 0 && color === null && background === null) return plain;
  const [front, back] = flags.includes("r") ? [background ?? 15, color ?? 0] : [color, background];
  const names = flags.filter((flag) => flag !== "r");
  if (typeof front === "number") names.push(`f${front}`);
  if (typeof back === "number") names.push(`g${back}`);
  return Object.freeze({
    flags, color, background, classes: names.join(" "),
    front: typeof front === "string" ? front : null, back: typeof back === "string" ? back : null,
  });
}

/** A line as it is shown: its text without escapes, and where in it which style begins. */
function interpret(raw, style) {
  if (!raw.includes("\x1b")) {
    return { text: raw.replace(controls, ""), spans: style === plain ? null : [[0, style]], style };
  }
  let text = "";
  const spans = [[0, style]];
  let last = 0;
  for (const match of raw.matchAll(escapes)) {
    text += raw.slice(last, match.index).replace(controls, "");
    last = match.index + match[0].length;
    if (match[2] !== "m") continue;
    style = rendition(style, match[1]);
    spans.push([text.length, style]);
  }
  text += raw.slice(last).replace(controls, "");
  return { text, spans, style };
}

/** A line that ends may be written over from its beginning, as progress bars do: the last that was written is shown. */
function visible(raw) {
  const end = raw.endsWith("\r") ? raw.length - 1 : raw.length;
  return raw.slice(raw.lastIndexOf("\r", end - 1) + 1, end);
}

const encoder = new TextEncoder();

class Line {
  constructor(stream, time, style) {
    this.stream = stream;
    this.time = time;
    this.raw = "";
    this.before = style;
    this.shown = null;
  }

  get text() {
    return this.interpreted.text;
  }

  get interpreted() {
    return (this.shown ??= interpret(visible(this.raw), this.before));
  }
}

/** Every line of a log so far. Each stream has its own open line, so that two that write at once do not mix. */
export class LogLines {
  constructor() {
    this.lines = [];
    this.open = new Map();
    this.decoders = new Map();
    this.styles = new Map();
    this.bytes = 0;
  }

  /** A record of the log, as the API gives it. */
  add(record) {
    const { stream, time } = record;
    if (record.encoding === "base64") {
      const bytes = Uint8Array.from(atob(record.data), (character) => character.charCodeAt(0));
      this.bytes += bytes.length;
      if (!this.decoders.has(stream)) this.decoders.set(stream, new TextDecoder());
      this.append(stream, time, this.decoders.get(stream).decode(bytes, { stream: true }));
    } else {
      // What is text begins with a whole character: what was cut before stays cut.
      const rest = this.decoders.get(stream)?.decode() ?? "";
      this.decoders.delete(stream);
      this.bytes += encoder.encode(record.text).length;
      this.append(stream, time, rest + record.text);
    }
  }

  /** A line of the page's own. */
  tell(text) {
    const line = new Line("told", null, plain);
    line.raw = text;
    this.lines.push(line);
  }

  append(stream, time, text) {
    let from = 0;
    while (from < text.length) {
      let line = this.open.get(stream);
      if (!line) {
        line = new Line(stream, time, this.styles.get(stream) ?? plain);
        this.lines.push(line);
        this.open.set(stream, line);
      }
      const end = text.indexOf("\n", from);
      const room = from + longest - line.raw.length;
      const stop = Math.min(end < 0 ? text.length : end, room);
      line.raw += text.slice(from, stop);
      line.shown = null;
      if (stop === text.length) return;
      if (line.raw.includes("\x1b")) this.styles.set(stream, line.interpreted.style);
      this.open.delete(stream);
      from = stop === end ? stop + 1 : stop;
    }
  }
}
