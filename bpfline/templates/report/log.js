// SPDX-License-Identifier: Apache-2.0
// The verifier's log in the page: what each line is, and which instruction it is about.

const OTHER = 0, INSN = 1, SOURCE = 2, STATE = 3, BRANCH = 4, PRECISION = 5, CALL = 6, FIGURES = 7, NOTE = 8;
const KIND_CLASS = ["", "insn", "comment", "state", "branch", "faint", "call", "faint", "faint"];

// What libbpf poisoned has its words in place of an instruction.
const INSN_LINE = /^(\d{1,9}): (?=<invalid [^;]*>$|\(([0-9a-f]{2})\) )(?:\(..\) )?(.*?)(?: *; ?(.*)| \d{1,9}: ((?:frame\d+:|R\d).*))?$/;
const STATE_LINE = /^(\d{1,9}):(?: *| ((?:frame\d+:|R\d|fp-|refs=).*))$/;
const SAFE_LINE = /^(\d{1,9}): safe$/;
const BRANCH_LINE = /^from (\d{1,9}) to (\d{1,9})(?: \(speculative execution\))?:(?: (.*))?$/;
const LOOP_LINE = /^infinite loop detected at insn (\d{1,9})$/; // where the verifier came, without a word of how
const LOOSE_STATE = /^ (?:frame\d+:|R\d|fp-|refs=)/;
const PRECISION_LINE = /^(?:mark_precise: |force_precise: |last_idx \d|regs=[0-9a-f]+ stack=|parent |frame \d+: propagating )/;
const CALL_LINE = /^(?:caller:|callee:|returning from callee:|to caller at \d+:)$/;
const FIGURES_LINE = /^(?:verification time \d|stack depth |insns processed \d|subprog \d+ \(|processed \d+ insns)/;
const NOTE_LINE = /^(?:\([\d,]+\) (?:frame \d+ insn |live stack update )|func#\d|Func#\d|Validating |SCC |topo_order\[|CO-RE |Live regs before insn:)/;
// Tables that come before the first instruction: how each begins, and its rows.
const TABLES = [
  [/^Live regs before insn:$/, /^ *\d* +\d+: [0-9.]{10} \(/],
  [/^(?:subprog#\d+ |stack use\/def ).*:$|^subprog#\d+: analyzing /, /^ *\d+: \([0-9a-f]{2}\) /],
];

class Log {
  /** about: {lines, first, left_out}, of the log as a whole; text: what of it is here. */
  constructor(text, about) {
    this.about = about;
    this.lines = text.split("\n");
    if (this.lines.at(-1) === "") this.lines.pop();
    this.kinds = new Uint8Array(this.lines.length);
    this.insns = new Int32Array(this.lines.length).fill(-1);
    this.visits = new Map(); // instruction: rows where it was looked at
    this.width = 20;
    let rows = null;
    for (let row = 0; row < this.lines.length; row += 1) {
      const line = this.lines[row];
      if (line.length > this.width) this.width = line.length;
      const table = TABLES.find(([head]) => head.test(line));
      if (table) rows = table[1];
      else if (rows && !rows.test(line)) rows = null;
      this.kinds[row] = rows ? NOTE : this.kind(line, row);
    }
  }

  kind(line, row) {
    const first = line.charCodeAt(0);
    if (first >= 48 && first <= 57) {
      let found = INSN_LINE.exec(line);
      if (found) {
        this.visit(Number(found[1]), row);
        return INSN;
      }
      if ((found = STATE_LINE.exec(line))) {
        this.insns[row] = Number(found[1]);
        return STATE;
      }
      if ((found = SAFE_LINE.exec(line))) {
        this.visit(Number(found[1]), row);
        return BRANCH;
      }
      return OTHER;
    }
    if (first === 59) return SOURCE;
    const found = BRANCH_LINE.exec(line);
    if (found) {
      this.insns[row] = Number(found[2]);
      return BRANCH;
    }
    const loop = LOOP_LINE.exec(line);
    if (loop) this.visit(Number(loop[1]), row);
    if (LOOSE_STATE.test(line)) return STATE;
    if (PRECISION_LINE.test(line)) {
      this.insns[row] = Number(/ before (\d{1,9}): \(/.exec(line)?.[1] ?? -1);
      return PRECISION;
    }
    if (CALL_LINE.test(line)) return CALL;
    if (FIGURES_LINE.test(line)) return FIGURES;
    return NOTE_LINE.test(line) ? NOTE : OTHER;
  }

  visit(insn, row) {
    this.insns[row] = insn;
    const rows = this.visits.get(insn);
    if (rows) rows.push(row);
    else this.visits.set(insn, [row]);
  }

  /** The number of a row in the whole log, from 1 on, and back; -1 for a line that was left out. */
  numberOf(row) {
    return row + 1 + (row >= this.about.first ? this.about.left_out : 0);
  }

  rowOf(line) {
    if (!this.about.left_out || line <= this.about.first) return line - 1;
    const row = line - 1 - this.about.left_out;
    return row >= this.about.first ? row : -1;
  }

  /** The row of the instruction that row belongs to: comments and states stand before theirs, words after. */
  insnRow(row) {
    const before = [SOURCE, STATE, BRANCH, NOTE].includes(this.kinds[row]);
    for (let at = row; at >= 0 && at < this.lines.length && Math.abs(at - row) < 500; at += before ? 1 : -1) {
      if (this.kinds[at] === INSN) return at;
    }
    return -1;
  }

  /** The next row from row on, in direction 1 or -1, that is an instruction. */
  step(row, direction) {
    for (let at = row + direction; at >= 0 && at < this.lines.length; at += direction) {
      if (this.kinds[at] === INSN) return at;
    }
    return row;
  }
}
