// SPDX-License-Identifier: Apache-2.0
// The address, the theme and the keys.

const MAIN = document.getElementById("main");
const TABLE = new TableView();
let view = TABLE;
let opening = 0;
let shown = false;
const LARGE = 10_000; // lines of a log, which take a while to unpack and to look through

/** After what stands in the page can be seen; a page in the background paints nothing. */
const painted = () => new Promise((done) => {
  requestAnimationFrame(() => setTimeout(done));
  setTimeout(done, 100);
});

async function showLoading(program, lines) {
  const words = `Loading ${number(lines)} lines of the log of ${program.name} …`;
  MAIN.replaceChildren(el("p", { class: "loading", role: "status" }, words));
  await painted();
}

async function route() {
  const mine = (opening += 1);
  const [path, query] = location.hash.slice(1).split("?");
  let id = "";
  try {
    id = path.split("/").map(decodeURIComponent).join("/");
  } catch { /* not one of our links: the table is shown */ }
  const program = PROGRAMS.find((each) => each.id === id);
  if (!program) return show(TABLE, "Verifier report");
  const line = Number(new URLSearchParams(query ?? "").get("log"));
  MAIN.setAttribute("aria-busy", "true");
  const detail = await unpackedJson(`program-${program.index}`);
  if (mine !== opening) return undefined; // another was asked for meanwhile
  const lines = detail.log ? detail.log.lines - detail.log.left_out : 0;
  if (lines > LARGE) await showLoading(program, lines);
  const files = await unpackedJson("sources");
  const text = detail.log ? await unpacked(`log-${program.index}`) : "";
  if (mine !== opening) return undefined;
  const opened = new ProgramView(program, detail, files, text);
  show(opened, program.name);
  opened.opened(line);
  return undefined;
}

function show(next, title) {
  const first = !shown;
  shown = true;
  view = next;
  MAIN.replaceChildren(next.element);
  MAIN.removeAttribute("aria-busy");
  document.title = title === "Verifier report" ? title : `${visible(title)} – Verifier report`;
  scrollTo(0, 0);
  if (!first) MAIN.querySelector("h1").focus({ preventScroll: true });
}

const THEMES = ["auto", "light", "dark"];
const themeButton = el("button", { type: "button", class: "small", id: "theme", onclick: nextTheme });

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  themeButton.textContent = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" }[name];
  themeButton.setAttribute("aria-label", `theme: ${name}`);
}

function storedTheme() {
  try {
    return THEMES.includes(localStorage.getItem("bpfline-theme")) ? localStorage.getItem("bpfline-theme") : "auto";
  } catch {
    return "auto"; // a browser may keep nothing for files
  }
}

function nextTheme() {
  const name = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % THEMES.length];
  setTheme(name);
  try {
    localStorage.setItem("bpfline-theme", name);
  } catch { /* then it holds for this visit */ }
}

const KEYS = [
  ["j, k", "next and previous program, or instruction of the log"], ["Enter", "open the program"],
  ["/", "filter the programs, or search the log"], ["n, N", "next and previous visit of the source line, or hit of the search"],
  ["↑ ↓ Page Home End", "in the log: line by line, page by page, to either end"], ["Esc", "leave the field; back to all programs"], ["t", "theme"], ["?", "this help"],
];
const HELP = document.getElementById("help");
HELP.append(el("h2", { id: "help-title" }, "Keys"),
  el("dl", {}, KEYS.map(([key, what]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)))),
  el("form", { method: "dialog" }, el("button", { class: "small" }, "Close")));

document.getElementById("top").append(
  el("a", { class: "brand", href: "#" }, el("b", {}, "bpfline"), " verifier report"),
  el("span", { class: "spacer" }), el("button", { type: "button", class: "small keys", onclick: () => HELP.showModal() }, "? Keys"), themeButton);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is ours
  MAIN.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || HELP.open) return;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName);
  let done = true;
  if (event.key === "Escape") {
    if (typing) document.activeElement.blur();
    else if (view !== TABLE) location.hash = "";
  } else if (typing) return;
  else if (event.key === "t") nextTheme();
  else if (event.key === "?") HELP.showModal();
  else done = view.key(event);
  if (done) event.preventDefault();
});

setTheme(storedTheme());
addEventListener("hashchange", route);
route();
