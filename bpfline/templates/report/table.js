// SPDX-License-Identifier: Apache-2.0
// The table of all programs: sorted and filtered here.

function changeText(change) {
  if (change.kind === "same" || !change.kind) return "";
  const told = change.deltas.filter((delta) => delta.figure === "processed_insns");
  return told.length ? `${told[0].after > told[0].before ? "+" : "−"}${number(Math.abs(told[0].after - told[0].before))} (${told[0].percent > 0 ? "+" : ""}${told[0].percent.toFixed(1)} %)`
    : change.deltas.length ? `${change.deltas.length} ${change.deltas.length === 1 ? "figure" : "figures"}` : change.kind;
}

const figure = (name) => (program) => program.figures[name] ?? -1;
const changed = (program) => program.change?.deltas.find((delta) => delta.figure === "processed_insns")?.percent ?? 0;

/** Columns: heading, what it sorts by, the cell, class. Numbers begin with the largest. */
const COLUMNS = [
  ["program", (program) => program.name, (program) => el("a", { href: `#${encoded(program.id)}` }, visible(program.name)), "name"],
  ["kernel", (program) => program.kernel, (program) => visible(program.kernel), "kernel wide"],
  ["verdict", (program) => ["error", "failed", "skipped", "passed"].indexOf(program.outcome), verdictBadge, "verdict"],
  ["instructions", figure("processed_insns"), (program) => costCell(program), "number"],
  ["states", figure("total_states"), (program) => number(program.figures.total_states), "number wide"],
  ["stack", figure("stack_depth"), (program) => number(program.figures.stack_depth), "number wide"],
  ["jited", figure("jited_bytes"), (program) => number(program.figures.jited_bytes), "number wide"],
  ["change", changed, (program) => changeCell(program), "number"],
];
const IS_NUMBER = (index) => COLUMNS[index][3].startsWith("number");

const MOST = Math.max(1, ...PROGRAMS.map(figure("processed_insns")));

function costCell(program) {
  const value = program.figures.processed_insns;
  const cell = el("span", { class: "cost-cell", title: value === null ? "" : `${percent(value / DATA.limit)} of the limit of ${number(DATA.limit)}` }, number(value));
  cell.style.setProperty("--share", `${Math.sqrt(Math.max(0, value ?? 0) / MOST) * 100}%`);
  return cell;
}

function changeCell(program) {
  if (!program.change) return el("span", { class: "dim" }, "");
  const words = changeText(program.change);
  const worse = program.change.kind === "newly refused" || changed(program) > 0;
  return words ? el("span", { class: worse ? "worse" : changed(program) < 0 ? "better" : "" }, words) : el("span", { class: "dim" }, "same");
}

/** What stands below a program's name: why it fails, else which section it is of. */
function reason(program) {
  if (program.verdict === "accepted" && program.faults.length) return program.faults.join("; ");
  if (program.title) return `${program.code} ${program.title}`.trim();
  return program.message || program.section;
}

const OUTCOMES = { failed: "failed", error: "not tried", skipped: "not supported", passed: "passed" };

class TableView {
  constructor() {
    this.sort = { column: 2, down: false };
    this.outcome = "";
    this.words = "";
    this.columns = COLUMNS.filter(([name]) => (name !== "kernel" || DATA.kernels.length > 1) && (name !== "change" || PROGRAMS.some((program) => program.change)));
    this.body = el("tbody");
    this.head = el("tr");
    this.count = el("p", { class: "dim count", role: "status" });
    this.element = this.build();
    this.draw();
  }

  build() {
    const outcomes = Object.keys(OUTCOMES).map((name) => [name, PROGRAMS.filter((program) => program.outcome === name).length]).filter((entry) => entry[1]);
    this.chips = [["", PROGRAMS.length], ...outcomes].map(([name, count]) => el("button", {
      type: "button", class: `chip ${VERDICT_CLASS[name] ?? ""}`, "aria-pressed": name === "", "data-outcome": name,
      onclick: () => this.filter(name),
    }, el("b", {}, number(count)), ` ${name ? OUTCOMES[name] : "all"}`));
    this.search = el("input", { type: "search", id: "filter", placeholder: "Filter: program, section, kernel, code, words", "aria-label": "filter the programs", oninput: () => {
      this.words = this.search.value;
      this.draw();
    } });
    const named = PROGRAMS.filter((each) => each.program).length; // the others are objects that could not be tried
    const objects = PROGRAMS.length - named;
    return el("article", { class: "overview" },
      el("h1", { tabindex: "-1" }, "Verifier report"),
      el("p", { class: "lead" }, named === 1 ? "One program" : `${number(named)} programs`, ` on ${DATA.kernels.map(visible).join(", ") || "no kernel"}`, objects ? `; ${objects === 1 ? "one object" : `${number(objects)} objects`} could not be tried` : ""),
      DATA.baseline ? el("p", { class: "dim" }, visible(DATA.baseline)) : null,
      DATA.gone.map(([name, kernel]) => el("p", { class: "notice" }, `gone since the baseline: ${visible(name)} on ${visible(kernel)}`)),
      el("div", { class: "tools" }, el("div", { class: "chips", role: "group", "aria-label": "outcome" }, this.chips), this.search),
      this.count,
      el("div", { class: "table" }, el("table", {}, el("caption", { class: "unseen" }, "programs"), el("thead", {}, this.head), this.body)));
  }

  filter(outcome) {
    this.outcome = outcome;
    for (const chip of this.chips) chip.setAttribute("aria-pressed", chip.dataset.outcome === outcome);
    this.draw();
  }

  by(column) {
    const at = COLUMNS.indexOf(column);
    this.sort = { column: at, down: this.sort.column === at ? !this.sort.down : IS_NUMBER(at) };
    this.draw();
    this.head.querySelector(`[data-column="${column[0]}"]`).focus();
  }

  rows() {
    const words = this.words.toLowerCase().split(/\s+/).filter(Boolean);
    const [, key] = COLUMNS[this.sort.column];
    const way = this.sort.down ? -1 : 1;
    return PROGRAMS.filter((program) => !this.outcome || program.outcome === this.outcome)
      .filter((program) => {
        const text = [program.name, program.section, program.type, program.kernel, program.verdict, program.errno, program.code, program.title, program.message, ...program.faults].join(" ").toLowerCase();
        return words.every((word) => text.includes(word));
      })
      .sort((a, b) => (key(a) < key(b) ? -way : key(a) > key(b) ? way : a.index - b.index));
  }

  draw() {
    const arrow = (sorted) => el("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (this.sort.down ? "↓" : "↑") : "");
    this.head.replaceChildren(...this.columns.map((column) => {
      const sorted = COLUMNS.indexOf(column) === this.sort.column;
      return el("th", { scope: "col", class: column[3], "aria-sort": sorted ? (this.sort.down ? "descending" : "ascending") : null },
        el("button", { type: "button", "data-column": column[0], onclick: () => this.by(column) }, ...(IS_NUMBER(COLUMNS.indexOf(column)) ? [arrow(sorted), column[0]] : [column[0], arrow(sorted)])));
    }));
    const rows = this.rows();
    this.body.replaceChildren(...rows.map((program) => el("tr", { "data-id": program.id, class: program.outcome, onclick: (event) => {
      if (!event.target.closest("a") && !String(getSelection())) location.hash = encoded(program.id);
    } }, this.columns.map(([name, , cell, className]) => el(name === "program" ? "th" : "td", name === "program" ? { scope: "row", class: className } : { class: className },
      cell(program), name === "program" ? el("span", { class: program.outcome === "failed" && program.verdict === "accepted" ? "under bad" : "under" }, visible(reason(program))) : null)))));
    this.count.textContent = rows.length === PROGRAMS.length ? "" : `${number(rows.length)} of ${number(PROGRAMS.length)} programs`;
  }

  key(event) {
    if (event.key === "/") {
      this.search.focus();
      return true;
    }
    const direction = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (!direction) return false;
    const links = [...this.body.querySelectorAll("th a")];
    const at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at < 0 ? 0 : at + direction))]?.focus();
    return true;
  }
}
