// SPDX-License-Identifier: Apache-2.0
// One program: the diagnosis, the cost, and source, log and states side by side, linked both ways.

class ProgramView {
  constructor(program, detail, files, text) {
    Object.assign(this, { program, detail, files });
    this.log = detail.log ? new Log(text, detail.log) : null;
    this.messages = new Set((detail.diagnosis?.message ?? "").split("\n").filter(Boolean));
    this.stepRows = new Map(); // row of the log: number of the step
    detail.diagnosis?.steps.forEach((step, index) => {
      if (this.log && step.line) this.stepRows.set(this.log.rowOf(step.line), index + 1);
    });
    this.source = new SourcePane(files, detail, (file, line) => this.chooseSource(file, line));
    this.logList = new VirtualList("verifier log", "log-list", (row) => this.drawLog(row), (row) => this.chooseRow(row));
    this.state = el("div", { class: "pane state-pane", role: "region", "aria-label": "registers and stack", tabindex: "0" });
    this.hits = { rows: [], at: -1, what: "" };
    this.element = this.build();
  }

  build() {
    const { program, detail } = this;
    const accepted = program.verdict === "accepted";
    const why = detail.diagnosis ? whyPanel(detail.diagnosis, this.log !== null, (to) => this.jump(to)) : null;
    const cost = this.costPanel();
    return el("article", { class: "program" },
      el("p", { class: "back" }, el("a", { href: "#" }, "← All programs")),
      el("h1", { tabindex: "-1" }, visible(program.name), " ", verdictBadge(program)),
      this.facts(),
      program.faults.map((words) => el("p", { class: "notice fault" }, visible(sentence(words)))),
      !why && program.message ? el("p", { class: "notice" }, visible(program.message)) : null,
      program.note ? el("p", { class: "notice" }, visible(program.note)) : null,
      why, accepted ? cost : null, this.workspace(), accepted ? null : cost);
  }

  facts() {
    const { program } = this;
    const f = program.figures;
    const pairs = [
      ["kernel", visible(program.kernel)], ["section", visible(program.section)], ["type", visible(program.type)], ["errno", program.errno],
      ["instructions processed", f.processed_insns === null ? null : `${number(f.processed_insns)} (${percent(f.processed_insns / DATA.limit)} of the limit)`],
      ["states", f.total_states === null ? null : `${number(f.total_states)}, ${number(f.peak_states)} at most at once`],
      ["stack", f.stack_depth === null ? null : `${number(f.stack_depth)} bytes`],
      ["size", f.xlated_bytes === null ? null : `${number(f.xlated_bytes)} bytes, ${number(f.jited_bytes)} jited`],
      ["verified in", f.verification_usec === null ? null : `${number(f.verification_usec)} µs`],
      ["built by", [f.clang && `clang ${f.clang}`, f.mcpu && `-mcpu=${f.mcpu}`].filter(Boolean).map(visible).join(" ")], ["tag", f.tag],
      ["since the baseline", program.change ? changeText(program.change) || "same" : null],
    ];
    return el("dl", { class: "facts" }, pairs.filter((pair) => pair[1]).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  costPanel() {
    const { cost } = this.detail;
    if (!cost?.total) return null;
    const go = (file, line) => this.chooseSource(file, line, true);
    const textOf = (file, line) => {
      const { text, known } = this.files[file];
      return (text ? text[line - 1] : known.find((entry) => entry[0] === line)?.[1]) ?? "";
    };
    const top = [...cost.lines].sort((a, b) => b[2] - a[2]).slice(0, 8);
    return el("section", { class: "cost", "aria-labelledby": "cost-title" },
      el("h2", { id: "cost-title" }, "Where the verifier spends its work"),
      cost.every_path ? null : el("p", { class: "dim" }, "The log has only a part of the paths: these figures are of that part."),
      cost.stacks.length ? flameGraph(cost.stacks, cost.spots, textOf, go) : null,
      cost.too_long ? el("p", { class: "notice no-flame" }, `There is no flame graph here: the log has ${mebibytes(cost.too_long[0])}, and calls are followed in logs of up to ${mebibytes(cost.too_long[1])}.`) : null,
      el("ol", { class: "top-lines" }, top.map(([file, line, times]) => {
        const bar = el("span", { class: "bar" });
        bar.style.setProperty("--share", `${(100 * times) / cost.total}%`);
        return el("li", {}, el("button", { type: "button", class: "jump", onclick: () => go(file, line) },
          el("span", { class: "figure" }, number(times)), bar, el("span", { class: "figure dim" }, percent(times / cost.total)),
          el("span", { class: "where" }, `${visible(this.files[file].name.split("/").at(-1))}:${line}`), el("code", {}, visible(textOf(file, line).trim()))));
      })));
  }

  workspace() {
    const pane = (name, label, head, body) => el("section", { class: `pane ${name}`, "aria-label": label }, el("div", { class: "pane-head" }, head), body);
    this.counter = el("span", { class: "counter dim" });
    this.find = el("input", { type: "search", placeholder: "Search the log", "aria-label": "search the log", class: "find", oninput: () => this.search(), onkeydown: (event) => {
      if (event.key === "Enter") this.nextHit(event.shiftKey ? -1 : 1);
    } });
    const arrow = (words, label, direction) => el("button", { type: "button", class: "small", "aria-label": label, title: label, onclick: () => this.nextHit(direction) }, words);
    const tabs = el("div", { class: "tabs", role: "group", "aria-label": "what is shown" },
      ["source", "log"].map((name) => el("button", { type: "button", "data-pane": name, onclick: () => this.showPane(name) }, name === "source" ? "Source" : "Log")));
    const source = pane("source-pane", "source", [el("h2", {}, "Source"), this.source.heading], this.source.mine.length ? [this.source.note, this.source.list.box]
      : el("p", { class: "note" }, "No source is known: the object has no line information (-g)."));
    const about = this.log?.about;
    const log = pane("log-pane", "verifier log", this.log ? [el("h2", {}, "Log"), this.find, arrow("↑", "the one before (N)", -1), arrow("↓", "the next one (n)", 1), this.counter]
      : el("h2", {}, "Log"), this.log ? [el("p", { class: "note" }, about.left_out ? `The page has ${number(about.lines - about.left_out)} of the log's ${number(about.lines)} lines; the whole is ${visible(about.path)}` : ""), this.logList.box]
      : el("p", { class: "note" }, "No log was kept (--log=auto or full keeps one)."));
    this.panes = el("div", { class: "workspace", "data-shown": "log" }, tabs, source, log, this.state);
    this.showPane("log");
    return this.panes;
  }

  showPane(name) {
    this.panes.dataset.shown = name;
    for (const tab of this.panes.querySelectorAll(".tabs button")) tab.setAttribute("aria-pressed", tab.dataset.pane === name);
    for (const list of [this.source.list, this.logList]) if (list.selected >= 0) list.select(list.selected); // it had no height
  }

  /** After the element is in the page. row: of the log, or null for where it is most worth looking. */
  opened(line) {
    if (this.source.mine.length) this.source.open(this.source.mine[0]);
    if (this.log) this.logList.fill(this.log.lines.length, Math.min(this.log.width, 600) + 12);
    const why = this.detail.diagnosis;
    if (this.log && line) this.chooseRow(this.log.rowOf(line), false);
    else if (why) this.jump({ line: why.line, insn: why.insn, place: why.place }, false);
    else {
      const top = [...(this.detail.cost?.lines ?? [])].sort((a, b) => b[2] - a[2])[0];
      if (top) this.chooseSource(top[0], top[1]);
      else if (this.log) this.chooseRow(this.log.step(-1, 1), false);
    }
    if (!this.log) this.state.append(el("p", { class: "note" }, "The states stand in the log."));
  }

  isRefusal(row) {
    return this.log.kinds[row] === OTHER && this.messages.has(this.log.lines[row]);
  }

  drawLog(row) {
    const line = this.log.lines[row];
    const kind = this.log.kinds[row];
    const step = this.stepRows.get(row);
    const said = this.isRefusal(row);
    const element = el("div", { class: `log-line ${said ? "error" : KIND_CLASS[kind]} ${this.related?.has(row) ? "related" : ""} ${row === this.log.about.first && this.log.about.left_out ? "after-gap" : ""}` },
      el("span", { class: "line-number" }, String(this.log.numberOf(row))), el("span", { class: "marks" }, said ? "✗" : step ? String(step) : ""));
    const found = kind === INSN ? INSN_LINE.exec(line) : null;
    const text = el("span", { class: "text" });
    if (found) {
      const state = found[4] ?? found[5];
      text.append(el("span", { class: "dim" }, found[2] ? `${found[1]}: (${found[2]}) ` : `${found[1]}: `), el("span", { class: "op" }, visible(found[3])));
      if (state !== undefined) text.append(el("span", { class: "dim" }, ` ; ${visible(state)}`));
    } else text.append(visible(line));
    element.append(text);
    return element;
  }

  place(insn) {
    const { places } = this.detail;
    let low = 0, high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle][0] <= insn) low = middle + 1;
      else high = middle;
    }
    return low ? { file: places[low - 1][1], line: places[low - 1][2] } : null;
  }

  functionOf(insn) {
    return this.detail.functions.filter(([start]) => start <= insn).at(-1)?.[1];
  }

  /** A row of the log was chosen: mark its source, show its states. */
  chooseRow(row, remember = true) {
    if (!this.log || row < 0 || row >= this.log.lines.length) return;
    this.row = row;
    const direct = this.log.insns[row] >= 0 && this.log.kinds[row] !== STATE;
    const insn = direct ? this.log.insns[row] : this.log.insns[this.log.insnRow(row)] ?? -1;
    const place = insn >= 0 ? this.place(insn) : null;
    if (place) this.source.mark(place.file, place.line);
    this.related = place ? new Set(this.rowsOf(place.file, place.line)) : null;
    this.logList.select(row);
    const about = [el("strong", {}, `log line ${number(this.log.numberOf(row))}`), insn >= 0 ? `, instruction ${insn}` : "", insn >= 0 && this.functionOf(insn) ? ` of ${visible(this.functionOf(insn))}()` : "",
      place ? [" · ", el("button", { type: "button", class: "jump inline", onclick: () => this.showPane("source") }, `${visible(this.files[place.file].name.split("/").at(-1))}:${place.line}`)] : ""].flat();
    const why = this.detail.diagnosis;
    const now = this.stepRows.get(row) ?? (this.isRefusal(row) ? "end" : 0);
    this.state.replaceChildren(why ? stepStrip(why, now, (to) => this.jump(to)) : "", statePanel(this.log, row, about));
    if (remember) history.replaceState(null, "", `#${encoded(this.program.id)}?log=${this.log.numberOf(row)}`);
  }

  rowsOf(file, line) {
    const rows = [];
    for (const [start, end] of this.source.insns.get(`${file}:${line}`) ?? []) {
      for (let insn = start; insn < end; insn += 1) for (const row of this.log.visits.get(insn) ?? []) rows.push(row);
    }
    return rows.sort((a, b) => a - b);
  }

  /** A source line was chosen: go to its next instruction in the log, from where the log stands. */
  chooseSource(file, line, scroll = false) {
    this.source.mark(file, line);
    if (scroll) this.panes.scrollIntoView({ block: "start" });
    if (!this.log) return;
    const rows = this.rowsOf(file, line).filter((row, index, all) => index === 0 || row - all[index - 1] > 1 || this.place(this.log.insns[all[index - 1]])?.line !== line);
    if (!rows.length) {
      this.counter.textContent = "";
      say(`line ${line} has no instructions in the log`);
      return;
    }
    this.find.value = "";
    this.hits = { rows, at: -1, what: `line ${line}` };
    const last = this.detail.diagnosis ? rows.findLastIndex((row) => row <= this.row) : -1;
    this.hit(Math.max(0, last));
    this.showPane("log");
  }

  search() {
    const words = this.find.value.toLowerCase();
    const rows = [];
    if (words) this.log.lines.forEach((line, row) => line.toLowerCase().includes(words) && rows.push(row));
    this.hits = { rows, at: -1, what: "found" };
    if (rows.length) this.hit(Math.max(0, rows.findIndex((row) => row >= (this.row ?? 0))));
    else this.counter.textContent = words ? "none" : "";
  }

  hit(at) {
    this.hits.at = at;
    this.counter.textContent = `${this.hits.what}: ${number(at + 1)} of ${number(this.hits.rows.length)}`;
    this.chooseRow(this.hits.rows[at]);
    say(this.counter.textContent);
  }

  nextHit(direction) {
    const { rows, at } = this.hits;
    if (rows.length) this.hit((at + direction + rows.length) % rows.length);
  }

  /** Show what a step or the diagnosis names: its line of the log, else the last visit of its instruction. */
  jump({ line, insn, place }, scroll = true) {
    const row = this.log ? (line ? this.log.rowOf(line) : this.log.visits.get(insn)?.at(-1) ?? -1) : -1;
    if (scroll) this.panes.scrollIntoView({ block: "nearest" });
    if (row >= 0) this.chooseRow(row, scroll);
    if (place?.source_file !== null && place?.line) this.source.mark(place.source_file, place.line);
    if (row < 0 && scroll) this.showPane("source");
  }

  key(event) {
    if (!this.log) return false;
    const from = this.row ?? -1;
    const go = {
      j: () => this.chooseRow(this.log.step(from, 1)), k: () => this.chooseRow(this.log.step(from, -1)),
      ArrowDown: () => this.chooseRow(Math.min(from + 1, this.log.lines.length - 1)), ArrowUp: () => this.chooseRow(Math.max(from - 1, 0)),
      PageDown: () => this.chooseRow(Math.min(from + 25, this.log.lines.length - 1)), PageUp: () => this.chooseRow(Math.max(from - 25, 0)),
      Home: () => this.chooseRow(0), End: () => this.chooseRow(this.log.lines.length - 1),
      n: () => this.nextHit(1), N: () => this.nextHit(-1), "/": () => (this.showPane("log"), this.find.focus()),
    }[event.key];
    const scrolls = !["j", "k", "n", "N", "/"].includes(event.key);
    if (!go || (scrolls && document.activeElement !== this.logList.box)) return false;
    go();
    return true;
  }
}
