// SPDX-License-Identifier: Apache-2.0
// What the verifier knows at a line of the log. From 6.1 on an instruction's line says only what changed:
// the lines before it, back to where all was said, tell the rest.

const FURTHEST_BACK = 50_000; // rows

/** The items of a state: R1=..., fp-8=..., refs=...; a space within parentheses parts nothing. */
function* stateItems(text) {
  let depth = 0, start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at];
    if (char === "(") depth += 1;
    else if (char === ")") depth = Math.max(0, depth - 1);
    else if (at === text.length || (char === " " && depth === 0)) {
      if (at > start) yield text.slice(start, at);
      start = at + 1;
    }
  }
}

class Machine {
  constructor() {
    this.frame = 0;
    this.frames = new Map([[0, new Map()]]);
  }

  get values() {
    if (!this.frames.has(this.frame)) this.frames.set(this.frame, new Map());
    return this.frames.get(this.frame);
  }

  /** whole: text is all that is known of its frame. A state that names R10 is: nothing changes R10. */
  take(text, whole) {
    const items = [...stateItems(text)];
    this.frame = Number(/^frame(\d+):$/.exec(items[0])?.[1] ?? 0);
    if (whole || items.some((item) => /^R10(?:_[rwD]+)?=/.test(item))) this.values.clear();
    for (const item of items) {
      const [, name, value] = /^(R\d+|fp-?\d+|refs|cb|async_cb)(?:_[rwD]+)?(?:=(.*))?$/s.exec(item) ?? [];
      if (name) this.values.set(name, value ?? "");
    }
  }

  /** One row of the log. */
  run(log, row) {
    const line = log.lines[row];
    const kind = log.kinds[row];
    if (kind === INSN) {
      const [, , opcode, text, state, joined] = INSN_LINE.exec(line);
      // A helper leaves nothing in R1 to R5 (check_helper_call, kernel/bpf/verifier.c).
      if (opcode === "85" && !text.startsWith("call pc")) for (let reg = 1; reg < 6; reg += 1) this.values.delete(`R${reg}`);
      if (state ?? joined) this.take(state ?? joined, false);
    } else if (kind === BRANCH) {
      const state = BRANCH_LINE.exec(line)?.[3];
      if (state && state !== "safe") {
        this.frames.clear(); // another path: what its callers hold is not said
        this.take(state, true);
      }
    } else if (kind === STATE) {
      const state = STATE_LINE.exec(line)?.[2] ?? (LOOSE_STATE.test(line) ? line.trim() : "");
      if (state) this.take(state, false);
    } else if (LOOP_LINE.test(line)) {
      this.frames.clear(); // not what the path above ended with
      const state = /^cur state: (.*)$/.exec(log.lines[row + 1] ?? "")?.[1]; // up to 6.6 or so it is not said
      if (state) this.take(state, true);
    }
  }

  copy() {
    const copy = new Machine();
    copy.frame = this.frame;
    copy.frames = new Map([...this.frames].map(([frame, values]) => [frame, new Map(values)]));
    return copy;
  }
}

/** Whether a row says all that is known. */
const saysAll = (log, row) => (log.kinds[row] === BRANCH && /^from .*R10=/.test(log.lines[row])) ||
  (log.kinds[row] === STATE && /R10(?:_[rwD]+)?=/.test(log.lines[row]) && !/frame[1-9]/.test(log.lines[row]));

/** {frame, before, after}: the registers and stack slots by name, before and after a row's instruction. */
function statesAt(log, row) {
  let start = row;
  const end = Math.max(0, row - FURTHEST_BACK);
  while (start > end && !saysAll(log, start)) start -= 1;
  const machine = new Machine();
  for (let at = start; at < row; at += 1) machine.run(log, at);
  if (LOOP_LINE.test(log.lines[row])) machine.run(log, row); // nothing changes there
  const before = machine.copy();
  machine.run(log, row);
  return { frame: machine.frame, before: before.frames.get(machine.frame) ?? new Map(), after: machine.values };
}

const ORDER = (name) => (name[0] === "R" ? Number(name.slice(1)) : name.startsWith("fp") ? 100 - Number(name.slice(2)) : 10_000);

/** The panel that shows them. */
function statePanel(log, row, about) {
  const { frame, before, after } = statesAt(log, row);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => ORDER(a) - ORDER(b));
  const used = new Set([...(INSN_LINE.exec(log.lines[row])?.[3] ?? "").matchAll(/\b[rw](\d+)\b/g)].map((found) => `R${found[1]}`));
  const rows = names.map((name) => {
    const was = before.get(name), is = after.get(name);
    const changed = was !== is;
    const value = el("td", {});
    if (changed && was !== undefined) value.append(el("del", {}, visible(was)));
    if (is !== undefined) value.append(el(changed ? "ins" : "span", {}, visible(is) || "yes"));
    else value.append(el("span", { class: "dim" }, "not readable any more"));
    return el("tr", { class: changed ? "changed" : used.has(name) ? "used" : "" }, el("th", { scope: "row" }, name), value);
  });
  return el("div", { class: "states" },
    el("div", { class: "moment" }, ...about),
    frame ? el("p", { class: "dim" }, `frame ${frame}`) : null,
    rows.length ? el("table", {}, el("caption", { class: "unseen" }, "registers and stack"), el("tbody", {}, rows))
      : el("p", { class: "dim" }, "The log says nothing of registers here."));
}
