// A log of any length: only the rows that can be seen are elements.

import { fill, h } from "./dom.js";
import { bytes, clock, number } from "./format.js";
import { LogLines } from "./log-lines.js";

const rowHeight = 20;
const overscan = 20;

export class LogView {
  /** `download` hands the whole log to the browser. */
  constructor({ download }) {
    this.log = new LogLines();
    this.filter = "";
    /** Numbers of the lines that the chosen stream shows; null for all. */
    this.chosen = null;
    this.scanned = 0;
    this.follows = true;
    this.paused = false;
    this.count = 0;
    this.query = "";
    this.matches = [];
    this.searched = 0;
    this.match = -1;
    this.widest = 0;
    this.isWaiting = false;
    this.build(download);
  }

  build(download) {
    this.rows = h("div", { class: "log-space" });
    this.nothing = h("div", { class: "log-empty" }, "Waiting for the first line…");
    this.viewport = h("div", {
      class: "log-view", tabindex: "0", role: "log", "aria-label": "Log", "aria-live": "off", onscroll: () => this.scrolled(),
      onkeydown: (event) => this.pressed(event),
    }, this.rows, this.nothing);
    this.search = h("input", {
      type: "search", placeholder: "Search", "aria-label": "Search the log", oninput: () => this.find(this.search.value),
      onkeydown: (event) => {
        if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
      },
    });
    this.found = h("span", { class: "count", role: "status" });
    this.followButton = this.toggle("Follow", "Scroll along with what arrives", () => this.setFollows(!this.follows));
    this.pauseButton = this.toggle("Pause", "Hold what is shown; what arrives is kept", () => this.setPaused(!this.paused));
    this.timesButton = this.toggle("Times", "Show when each line arrived", () => {
      const isOn = this.viewport.classList.toggle("timed");
      this.timesButton.setAttribute("aria-pressed", isOn);
    });
    const streams = h("select", { "aria-label": "Stream", onchange: (event) => this.choose(event.target.value) },
      h("option", { value: "" }, "stdout and stderr"), h("option", { value: "stdout" }, "stdout"), h("option", { value: "stderr" }, "stderr"));
    this.foot = h("div", { class: "log-foot" });
    this.element = h("section", { class: "sheet log", "aria-label": "Log" },
      h("div", { class: "log-tools" },
        h("h2", {}, "Log"), this.search,
        h("button", { class: "plain small", type: "button", "aria-label": "Previous match", onclick: () => this.step(-1) }, "↑"),
        h("button", { class: "plain small", type: "button", "aria-label": "Next match", onclick: () => this.step(1) }, "↓"),
        this.found,
        h("span", { class: "push" }), streams, this.timesButton, this.followButton, this.pauseButton,
        h("button", { class: "small", type: "button", onclick: download }, "Download")),
      this.viewport, this.foot);
    this.setFollows(true);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.viewport);
    this.note = "";
  }

  toggle(text, title, onclick) {
    return h("button", { class: "small", type: "button", title, "aria-pressed": "false", onclick }, text);
  }

  /** A record of the log. What comes within a frame is drawn together. */
  add(record) {
    this.log.add(record);
    this.changed();
  }

  tell(text) {
    this.log.tell(text);
    this.changed();
  }

  /** How the connection is; empty when all is well. */
  setNote(text) {
    this.note = text;
    this.changed();
  }

  /** No more will come. */
  finish() {
    this.hasEnded = true;
    this.setPaused(false);
    this.changed();
  }

  changed() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.update();
    });
  }

  update() {
    const total = this.log.lines.length;
    if (!this.paused) {
      this.select(total);
      this.count = this.chosen ? this.chosen.length : total;
      this.findMore();
      this.rows.style.height = `${this.count * rowHeight}px`;
      if (this.follows) this.viewport.scrollTop = this.count * rowHeight;
      this.draw();
    }
    this.nothing.hidden = this.count > 0;
    this.nothing.textContent = this.hasEnded
      ? total === 0 ? "It wrote nothing." : "Nothing from this stream."
      : "Waiting for the first line…";
    const held = total - this.held;
    fill(this.foot, h("span", {}, `${number(total)} lines`), h("span", {}, bytes(this.log.bytes)),
      this.paused && h("span", {}, `Paused${held > 0 ? `: ${number(held)} new lines are kept` : ""}`),
      this.note && h("span", { role: "status" }, this.note));
  }

  choose(stream) {
    this.filter = stream;
    this.chosen = stream ? [] : null;
    this.scanned = 0;
    this.held = this.log.lines.length;
    const wasPaused = this.paused;
    this.paused = false;
    this.restartSearch();
    this.update();
    this.paused = wasPaused;
  }

  select(total) {
    if (!this.chosen) return;
    for (; this.scanned < total; this.scanned++) {
      const { stream } = this.log.lines[this.scanned];
      if (stream === this.filter || stream === "told") this.chosen.push(this.scanned);
    }
  }

  /** The number in the log of a row. */
  lineAt(row) {
    return this.chosen ? this.chosen[row] : row;
  }

  setFollows(follows) {
    this.follows = follows;
    this.followButton.setAttribute("aria-pressed", follows);
    if (follows) this.changed();
  }

  setPaused(paused) {
    this.paused = paused;
    this.held = this.log.lines.length;
    this.pauseButton.setAttribute("aria-pressed", paused);
    this.pauseButton.textContent = paused ? "Go on" : "Pause";
    this.changed();
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.viewport;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < rowHeight * 1.5;
    // Scrolling up is a wish to stay there; reaching the end, to go along.
    if (this.follows && !isAtEnd && scrollTop < this.lastTop) this.setFollows(false);
    else if (!this.follows && isAtEnd && scrollTop > this.lastTop && !this.hasEnded) this.setFollows(true);
    this.lastTop = scrollTop;
    this.draw();
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      this.search.focus();
    } else if (event.key === "n") this.step(1);
    else if (event.key === "N") this.step(-1);
  }

  draw() {
    const { scrollTop, clientHeight } = this.viewport;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - overscan);
    const last = Math.min(this.count, Math.ceil((scrollTop + clientHeight) / rowHeight) + overscan);
    // A selection is left alone: its rows stay the same elements.
    const kept = new Map([...this.rows.children].map((row) => [row.dataset.key, row]));
    const current = this.matches[this.match];
    const open = new Set(this.log.open.values());
    const rows = [];
    for (let row = first; row < last; row++) {
      const index = this.lineAt(row);
      const line = this.log.lines[index];
      const key = `${index} ${row} ${row === current ? 1 : 0} ${this.query} ${open.has(line) ? line.raw.length : ""}`;
      rows.push(kept.get(key) ?? this.row(row, index, line, key, row === current));
    }
    if (rows.length === this.rows.children.length && rows.every((row, at) => row === this.rows.children[at])) return;
    this.rows.replaceChildren(...rows);
    // Rows are placed over each other, so that the longest does not widen what holds them by itself.
    const width = rows.reduce((most, row) => Math.max(most, row.scrollWidth), 0);
    if (width > this.widest) {
      this.widest = width;
      this.rows.style.width = `${width}px`;
    }
  }

  row(row, index, line, key, isCurrent) {
    const element = h("div", { class: `log-row ${line.stream}${isCurrent ? " current" : ""}` },
      h("span", { class: "log-number", "aria-hidden": "true" }, line.stream === "told" ? "" : index + 1),
      h("span", { class: "log-time" }, line.time ? clock(line.time) : ""),
      h("span", { class: "log-text" }, this.content(line, isCurrent)));
    element.dataset.key = key;
    element.style.top = `${row * rowHeight}px`;
    return element;
  }

  /** The text with its colours, and marks where the search has found something. */
  content(line, isCurrent) {
    const { text, spans } = line.interpreted;
    const cuts = new Set([0, text.length]);
    for (const [at] of spans ?? []) cuts.add(at);
    const hits = [];
    if (this.query) {
      const lower = text.toLowerCase();
      for (let at = lower.indexOf(this.query); at >= 0; at = lower.indexOf(this.query, at + this.query.length)) {
        hits.push(at);
        cuts.add(at).add(Math.min(text.length, at + this.query.length));
      }
    }
    const places = [...cuts].sort((one, other) => one - other);
    const parts = [];
    let span = 0;
    for (let at = 0; at + 1 < places.length; at++) {
      const from = places[at];
      while (spans && span + 1 < spans.length && spans[span + 1][0] <= from) span++;
      const style = spans ? spans[span][1] : null;
      const piece = text.slice(from, places[at + 1]);
      const isHit = hits.some((hit) => from >= hit && from < hit + this.query.length);
      let node = isHit ? h("mark", { class: isCurrent ? "current" : null }, piece) : document.createTextNode(piece);
      if (style && (style.classes || style.front || style.back)) {
        node = h("span", { class: style.classes || null }, node);
        if (style.front) node.style.color = style.front;
        if (style.back) node.style.backgroundColor = style.back;
      }
      parts.push(node);
    }
    return parts;
  }

  find(text) {
    this.query = text.toLowerCase();
    this.restartSearch();
    this.findMore();
    if (this.query && this.matches.length > 0) {
      // The first below what is seen, as an editor does.
      const top = Math.floor(this.viewport.scrollTop / rowHeight);
      const next = this.matches.findIndex((row) => row >= top);
      this.match = next < 0 ? 0 : next;
      this.reveal();
    } else this.draw();
    this.tellFound();
  }

  restartSearch() {
    this.matches = [];
    this.searched = 0;
    this.match = -1;
  }

  findMore() {
    if (!this.query) return;
    // The last rows may have grown.
    const from = Math.max(0, this.searched - 2);
    while (this.matches.length > 0 && this.matches.at(-1) >= from) this.matches.pop();
    for (let row = from; row < this.count; row++) {
      if (this.log.lines[this.lineAt(row)].text.toLowerCase().includes(this.query)) this.matches.push(row);
    }
    this.searched = this.count;
    this.tellFound();
  }

  tellFound() {
    const total = this.matches.length;
    this.found.textContent = !this.query ? "" : total === 0 ? "none" : this.match < 0 ? number(total) : `${number(this.match + 1)} of ${number(total)}`;
  }

  step(by) {
    const total = this.matches.length;
    if (total === 0) return;
    this.match = this.match < 0 ? 0 : (this.match + by + total) % total;
    this.reveal();
    this.tellFound();
  }

  reveal() {
    const top = this.matches[this.match] * rowHeight;
    const { scrollTop, clientHeight } = this.viewport;
    this.setFollows(false);
    if (top < scrollTop || top > scrollTop + clientHeight - rowHeight * 2) this.viewport.scrollTop = top - clientHeight / 2;
    this.draw();
  }

  close() {
    this.resized.disconnect();
  }
}
