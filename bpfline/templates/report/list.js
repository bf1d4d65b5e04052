// SPDX-License-Identifier: Apache-2.0
// A list of any length, of which only the rows in sight exist.

const ROW_HEIGHT = 20; // as --row in report.css
const MARGIN_ROWS = 12;

class VirtualList {
  /**
   * draw(index) gives the element of a row; pick(index) is called when the user chooses one.
   * The box is a listbox: the row that is selected is its active descendant.
   */
  constructor(label, id, draw, pick) {
    this.draw = draw;
    this.pick = pick;
    this.count = 0;
    this.rows = new Map(); // in the page, by index
    this.selected = -1;
    this.sizer = el("div", { class: "sizer", role: "presentation" });
    this.box = el("div", {
      class: "list", id, role: "listbox", tabindex: "0", "aria-label": label,
      onscroll: () => this.later(),
      onclick: (event) => {
        // By place: the row that the button went down on may have been drawn anew since.
        const index = Math.floor((event.clientY - this.sizer.getBoundingClientRect().top) / ROW_HEIGHT);
        if (index >= 0 && index < this.count && !String(getSelection())) this.pick(index);
      },
    }, this.sizer);
    new ResizeObserver(() => this.later()).observe(this.box);
  }

  /** width: of the longest row, in characters. */
  fill(count, width) {
    this.count = count;
    this.selected = -1;
    this.sizer.style.height = `${count * ROW_HEIGHT}px`;
    this.sizer.style.width = `${width}ch`;
    this.box.scrollTo(0, 0);
    this.redraw();
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.render();
    });
  }

  /** Rows that stay in sight stay the same elements, so that what is selected of their text stays so. */
  render() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - MARGIN_ROWS);
    const last = Math.min(this.count, first + Math.ceil(this.box.clientHeight / ROW_HEIGHT) + 2 * MARGIN_ROWS);
    for (const [index, row] of this.rows) {
      if (index >= first && index < last) continue;
      row.remove();
      this.rows.delete(index);
    }
    for (let index = first; index < last; index += 1) {
      if (this.rows.has(index)) continue;
      this.rows.set(index, this.row(index));
      this.sizer.append(this.rows.get(index));
    }
    if (this.selected >= first && this.selected < last) {
      this.box.setAttribute("aria-activedescendant", `${this.box.id}-${this.selected}`);
    } else this.box.removeAttribute("aria-activedescendant");
  }

  row(index) {
    const row = this.draw(index);
    row.classList.add("row");
    row.classList.toggle("selected", index === this.selected);
    row.id = `${this.box.id}-${index}`;
    row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
    for (const [key, value] of [["role", "option"], ["aria-selected", index === this.selected],
      ["aria-posinset", index + 1], ["aria-setsize", this.count]]) row.setAttribute(key, value);
    return row;
  }

  /** Draw what is in sight anew. */
  redraw() {
    this.rows.clear();
    this.sizer.replaceChildren();
    this.render();
  }

  /** Mark a row, and bring it into sight: a step away by scrolling just so far, else into the middle. */
  select(index) {
    this.selected = index;
    if (index >= 0) this.show(index);
    this.redraw();
  }

  show(index) {
    const top = index * ROW_HEIGHT;
    const height = this.box.clientHeight;
    const below = top + 3 * ROW_HEIGHT - (this.box.scrollTop + height);
    const above = this.box.scrollTop - (top - 2 * ROW_HEIGHT);
    if (below > height / 3 || above > height / 3) this.box.scrollTop = top - height * 0.4;
    else if (below > 0) this.box.scrollTop += below;
    else if (above > 0) this.box.scrollTop -= above;
  }
}
