// SPDX-License-Identifier: Apache-2.0
// The flame graph: how often instructions were processed, by chain of calls, and in each by line.

const NARROWEST = 0.002; // of the whole; what is narrower is told together
const DEEPEST = 24;

/**
 * {name, place, value, children}: stacks are [[function, line in it, function called, line in it, ...], times];
 * spots: the file and line of each line's name.
 */
function flameTree(stacks, spots) {
  const root = { name: "all", place: null, value: 0, children: new Map() };
  for (const [frames, times] of stacks) {
    let node = root;
    root.value += times;
    frames.forEach((name, depth) => {
      const key = `${depth % 2} ${name}`;
      if (!node.children.has(key)) {
        const place = depth % 2 && Object.hasOwn(spots, name) ? { file: spots[name][0], line: spots[name][1] } : null;
        node.children.set(key, { name, place, value: 0, children: new Map() });
      }
      node = node.children.get(key);
      node.value += times;
    });
  }
  return root;
}

/** The graph; go(file, line) is called for a line, textOf(file, line) gives its source. */
function flameGraph(stacks, spots, textOf, go) {
  const root = flameTree(stacks, spots);
  const graph = el("div", { class: "flame", role: "group", "aria-label": "flame graph" });
  const drawn = (node, from, width, depth, top) => {
    const share = node.value / root.value;
    const words = node.place ? `${node.place.line}: ${visible(textOf(node.place.file, node.place.line).trim())}` : `${visible(node.name)}`;
    const told = `${words} – ${number(node.value)} of ${number(root.value)} instructions (${percent(share)})`;
    const box = el("button", {
      type: "button", class: node.place ? "leaf" : "call", title: told, "aria-label": told,
      onclick: () => (node.place ? go(node.place.file, node.place.line) : draw(node === top ? root : node)),
    }, words);
    box.style.left = `${from * 100}%`;
    box.style.width = `${width * 100}%`;
    box.style.top = `${depth * 24}px`;
    box.style.setProperty("--share", `${Math.round(Math.sqrt(share) * 100)}%`);
    graph.append(box);
    deepest = Math.max(deepest, depth);
    if (depth >= DEEPEST) return;
    let at = from, rest = 0;
    for (const child of [...node.children.values()].sort((a, b) => b.value - a.value)) {
      const part = (width * child.value) / node.value;
      if (part < NARROWEST) {
        rest += child.value;
        continue;
      }
      drawn(child, at, part, depth + 1, top);
      at += part;
    }
    if (rest && (width * rest) / node.value >= NARROWEST) {
      const others = el("span", { class: "others", title: `smaller ones together: ${number(rest)}` }, "…");
      others.style.left = `${at * 100}%`;
      others.style.width = `${((width * rest) / node.value) * 100}%`;
      others.style.top = `${(depth + 1) * 24}px`;
      graph.append(others);
    }
  };
  let deepest = 0;
  const draw = (top) => {
    graph.replaceChildren();
    deepest = 0;
    drawn(top, 0, 1, 0, top);
    graph.style.height = `${(deepest + 1) * 24}px`;
  };
  draw(root);
  return graph;
}
