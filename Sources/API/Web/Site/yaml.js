// As much of YAML as openapi.yaml is written in: block and one-line maps and lists, plain and double-quoted scalars, and
// text blocks that begin with `|`. Anything else is an error, and a test compares the result with a whole parser's.

class Reader {
  constructor(text) {
    this.lines = text.split("\n").map((line, at) => ({
      number: at + 1, indent: line.search(/\S|$/), text: line.trimEnd().trimStart(), raw: line,
    }));
    this.at = 0;
  }

  fail(message) {
    throw new Error(`line ${this.lines[this.at]?.number ?? "last"}: ${message}`);
  }

  /** The next line that says something. */
  peek() {
    while (this.at < this.lines.length && (this.lines[this.at].text === "" || this.lines[this.at].text.startsWith("#"))) this.at++;
    return this.lines[this.at];
  }

  block(indent) {
    const line = this.peek();
    if (!line || line.indent < indent) return null;
    return line.text.startsWith("- ") ? this.list(line.indent) : this.map(line.indent);
  }

  list(indent) {
    const result = [];
    for (let line = this.peek(); line && line.indent === indent && line.text.startsWith("- "); line = this.peek()) {
      const rest = line.text.slice(2);
      if (/^(?:"[^"]*"|[^\s"'{[][^:]*):(?: |$)/.test(rest)) {
        // A map that begins behind the dash: its other keys stand below its first.
        line.indent += 2;
        line.text = rest;
        result.push(this.map(line.indent));
      } else {
        this.at++;
        result.push(this.scalar(rest, indent));
      }
    }
    return result;
  }

  map(indent) {
    const result = {};
    for (let line = this.peek(); line && line.indent === indent; line = this.peek()) {
      const match = /^(?:"([^"]*)"|([^\s"'{[][^:]*)):(?: +(.*))?$/.exec(line.text);
      if (!match) this.fail(`neither a key nor a list: ${line.text}`);
      this.at++;
      const rest = match[3] ?? "";
      result[match[1] === undefined ? match[2] : JSON.parse(`"${match[1]}"`)] = rest === "" ? this.below(indent) : this.scalar(rest, indent);
    }
    const line = this.peek();
    if (line && line.indent > indent) this.fail("indented further than what it belongs to");
    return result;
  }

  below(indent) {
    const line = this.peek();
    // A list may stand at the same place as its key.
    if (line && line.indent === indent && line.text.startsWith("- ")) return this.list(indent);
    return line && line.indent > indent ? this.block(line.indent) : null;
  }

  scalar(text, indent) {
    if (text === "|") return this.literal(indent);
    const flow = new Flow(text, (message) => {
      this.at--;
      this.fail(message);
    });
    return flow.whole();
  }

  literal(indent) {
    const lines = [];
    let base = null;
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (line.raw.trim() === "") {
        lines.push("");
        continue;
      }
      const depth = line.raw.search(/\S/);
      if (depth <= indent) break;
      base ??= depth;
      lines.push(line.raw.slice(base));
    }
    while (lines.at(-1) === "") lines.pop();
    return lines.join("\n") + "\n";
  }
}

/** What stands on one line. */
class Flow {
  constructor(text, fail) {
    this.text = text;
    this.at = 0;
    this.fail = fail;
  }

  whole() {
    const value = /^[[{"]/.test(this.text) ? this.value() : this.plain(/\s#|$/);
    this.skip();
    if (this.at < this.text.length && !this.text.slice(this.at).startsWith("#")) this.fail(`too much: ${this.text.slice(this.at)}`);
    return value;
  }

  skip() {
    while (this.text[this.at] === " ") this.at++;
  }

  value() {
    this.skip();
    switch (this.text[this.at]) {
      case "{": return this.map();
      case "[": return this.list();
      case '"': return this.quoted();
      default: return this.plain(/[,}\]]|: |:$|$/);
    }
  }

  quoted() {
    const match = /"(?:[^"\\]|\\.)*"/y;
    match.lastIndex = this.at;
    const found = match.exec(this.text);
    if (!found) this.fail("a quote that does not end");
    this.at = match.lastIndex;
    return JSON.parse(found[0]);
  }

  plain(end) {
    const rest = this.text.slice(this.at);
    const length = rest.search(end);
    const text = rest.slice(0, length).trim();
    this.at += length;
    if (/^[&*!|>'%@`]/.test(text)) this.fail(`not understood here: ${text}`);
    if (text === "null" || text === "~" || text === "") return null;
    if (text === "true" || text === "false") return text === "true";
    if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) return Number(text);
    return text;
  }

  list() {
    const result = [];
    this.at++;
    for (this.skip(); this.text[this.at] !== "]"; this.skip()) {
      result.push(this.value());
      this.comma("]");
    }
    this.at++;
    return result;
  }

  map() {
    const result = {};
    this.at++;
    for (this.skip(); this.text[this.at] !== "}"; this.skip()) {
      const key = String(this.value());
      this.skip();
      if (this.text[this.at] !== ":") this.fail(`no value for ${key}`);
      this.at++;
      result[key] = this.value();
      this.comma("}");
    }
    this.at++;
    return result;
  }

  comma(end) {
    this.skip();
    if (this.text[this.at] === ",") this.at++;
    else if (this.text[this.at] !== end) this.fail(`neither , nor ${end}: ${this.text.slice(this.at)}`);
  }
}

export function parseYAML(text) {
  const reader = new Reader(text);
  const value = reader.block(0);
  if (reader.peek()) reader.fail("what is this?");
  return value;
}
