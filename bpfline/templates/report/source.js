// SPDX-License-Identifier: Apache-2.0
// The source pane: a file's lines, each with what it cost, its place in the way to a refusal, and C's colours.

const C_TOKENS = /(\/\/.*|\/\*.*?(?:\*\/|$)|^\s*\*(?:\s.*|\/)?$)|("(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)|^(\s*#\s*\w+)|\b(auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|bool|true|false|NULL|SEC|__[us](?:8|16|32|64)|[us](?:8|16|32|64)|__always_inline|__noinline|__be(?:16|32|64)|size_t)\b|\b(\d\w*)\b/g;
const C_CLASS = [null, "tok-comment", "tok-string", "tok-directive", "tok-keyword", "tok-number"];

/** text as spans, each a text node. */
function coloured(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(C_TOKENS)) {
    const kind = found.findIndex((group, index) => index > 0 && group !== undefined);
    if (kind < 0) continue;
    parts.push(visible(text.slice(end, found.index)), el("span", { class: C_CLASS[kind] }, visible(found[0])));
    end = found.index + found[0].length;
  }
  parts.push(visible(text.slice(end)));
  return parts;
}

/** The rows of a file: [line number, text]; null where lines that we do not have are left out. */
function sourceRows(file) {
  if (file.text) return file.text.map((text, index) => [index + 1, text]);
  const rows = [];
  for (const [line, text] of file.known) {
    if (rows.length && rows.at(-1)[0] !== line - 1) rows.push(null);
    rows.push([line, text]);
  }
  return rows;
}

class SourcePane {
  /** files: all of the report; detail: the program's; chosen(file, line): the user chose a line. */
  constructor(files, detail, chosen) {
    this.files = files;
    this.file = -1;
    this.cost = new Map(); // "file:line": times
    this.most = 0;
    for (const [file, line, times] of detail.cost?.lines ?? []) {
      this.cost.set(`${file}:${line}`, times);
      this.most = Math.max(this.most, times);
    }
    this.total = detail.cost?.total ?? 0;
    this.insns = new Map(); // "file:line": instructions, from the line_info
    detail.places.forEach(([insn, file, line], index) => {
      const end = detail.places[index + 1]?.[0] ?? insn + 1;
      const key = `${file}:${line}`;
      if (!this.insns.has(key)) this.insns.set(key, []);
      this.insns.get(key).push([insn, end]);
    });
    this.steps = new Map(); // "file:line": numbers of steps
    this.error = "";
    const why = detail.diagnosis;
    why?.steps.forEach((step, index) => {
      const key = `${step.place?.source_file}:${step.place?.line}`;
      this.steps.set(key, [...(this.steps.get(key) ?? []), index + 1]);
    });
    if (why?.place) this.error = `${why.place.source_file}:${why.place.line}`;
    this.list = new VirtualList("source", "source-list", (row) => this.draw(row), (row) => {
      if (this.rows[row]) chosen(this.file, this.rows[row][0]);
    });
    this.choice = el("select", { "aria-label": "source file", onchange: () => this.open(Number(this.choice.value)) });
    const own = [detail.source, why?.place?.source_file, ...detail.places.map((place) => place[1])];
    this.mine = [...new Set(own.filter((file) => file !== null && file !== undefined))];
    for (const file of this.mine) this.choice.append(el("option", { value: file }, visible(files[file].name)));
    this.note = el("p", { class: "note" });
    this.heading = this.mine.length > 1 ? this.choice : el("span", { class: "path" }, visible(files[this.mine[0]]?.name ?? "no source"));
  }

  open(file) {
    if (file === this.file || !this.files[file]) return;
    this.file = file;
    this.choice.value = file;
    this.rows = sourceRows(this.files[file]);
    this.note.textContent = this.files[file].note ?? "";
    const longest = this.rows.reduce((most, row) => Math.max(most, row ? untabbed(row[1]).length : 0), 20);
    this.list.fill(this.rows.length, longest + 16);
  }

  draw(index) {
    const row = this.rows[index];
    if (!row) return el("div", { class: "gap" }, "⋯");
    const [line, text] = row;
    const key = `${this.file}:${line}`;
    const times = this.cost.get(key) ?? 0;
    const steps = this.steps.get(key) ?? [];
    const heat = el("span", { class: "heat" }, times ? number(times) : "");
    if (times) {
      heat.style.setProperty("--share", `${Math.round(Math.sqrt(times / this.most) * 100)}%`);
      heat.title = `${number(times)} instructions processed here: ${percent(times / this.total)}`;
    }
    return el("div", { class: `${this.insns.has(key) || times ? "code" : "code quiet"} ${key === this.error ? "error" : ""}` },
      heat, el("span", { class: "line-number" }, String(line)),
      el("span", { class: "marks" }, key === this.error ? "✗" : steps.length ? String(steps.at(-1)) : ""),
      el("span", { class: "text" }, coloured(untabbed(text))));
  }

  /** Mark a line, without choosing it. */
  mark(file, line) {
    this.open(file);
    this.list.select(this.rows?.findIndex((row) => row?.[0] === line) ?? -1);
  }
}
