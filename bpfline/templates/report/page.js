// SPDX-License-Identifier: Apache-2.0
// The page's elements and data. All text becomes text nodes: nothing here takes HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);

/** An element: el("a", {href: "#x", class: "name"}, "text", child, ...). on*: listeners. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** The text of what was packed with gzip and base64 into the element of this id. */
async function unpacked(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at += 1) bytes[at] = packed.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const kept = new Map();

/** The same of JSON, once. */
function unpackedJson(id) {
  if (!kept.has(id)) kept.set(id, unpacked(id).then(JSON.parse));
  return kept.get(id);
}

const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en-US"));

const mebibytes = (bytes) => `${number(Math.ceil(bytes / 2 ** 20))} MiB`;

const percent = (share) =>
  share === 0 ? "0 %" : share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Tell those who cannot see it what has changed. */
function say(words) {
  document.getElementById("said").textContent = words;
}

/** What a tab looks like in a source. */
const untabbed = (text) => text.replaceAll("\t", "    ");

/** Characters that have no shape, as their code points, so that they can be seen and do no harm. */
const visible = (text) =>
  text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** The name of each program in the address: object/program, and what tells it from others of that name. */
const PROGRAMS = DATA.programs.map((program, index) => ({ ...program, index }));
{
  const taken = new Set();
  for (const program of PROGRAMS) {
    const plain = visible(program.program ? `${program.object}/${program.program}` : program.object);
    program.name = plain;
    const names = [plain, `${plain}@${visible(program.kernel)}`, `${plain}@${visible(program.kernel)}~${program.index}`];
    program.id = names.find((name) => !taken.has(name));
    taken.add(program.id);
  }
}
const encoded = (id) => id.split("/").map(encodeURIComponent).join("/");

const VERDICT_CLASS = { passed: "good", failed: "bad", error: "bad", skipped: "dim" };

/** The words of a fault, which follow a program's name elsewhere. */
function sentence(words) {
  return words.replace(/^(is|grew) /, "It $1 ");
}

function verdictBadge(program) {
  const words = program.expected && program.verdict === "refused" ? "refused, as expected" : program.verdict;
  const odd = program.outcome === "failed" && program.verdict === "accepted";
  return el("span", { class: `badge ${VERDICT_CLASS[program.outcome]}` }, odd ? "accepted, but fails" : words);
}
