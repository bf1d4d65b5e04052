// SPDX-License-Identifier: Apache-2.0
// The diagnosis: what is wrong, where, how the verifier got there, and the way out.

const FAULT = {
  source: "The source has to change.",
  compiler: "The source is sound: the compiler made of it what the verifier cannot follow.",
  limit: "A limit of the verifier is reached.",
  environment: "The machine lacks something; the program may be sound.",
};

const placeText = (place) => `${visible(place.file)}:${place.line}${place.column ? `:${place.column}` : ""}`;

/** A source line with a caret under its column. */
function snippet(place, label) {
  const text = place.source;
  const indent = text.length - text.trimStart().length;
  const before = new TextDecoder().decode(new TextEncoder().encode(text).slice(0, Math.max(0, place.column - 1)));
  const at = place.column ? untabbed(before.slice(indent)).length : 0;
  const gutter = String(place.line);
  return el("pre", { class: "snippet" },
    el("span", { class: "dim" }, `${gutter} │ `), coloured(untabbed(text.slice(indent))), "\n",
    el("span", { class: "dim" }, `${" ".repeat(gutter.length)} │ `), " ".repeat(at), el("strong", { class: "bad" }, "^"),
    label ? el("strong", { class: "bad label" }, visible(label)) : null);
}

/** jump({line, insn, place}): shows a moment of the log beside its source. */
function whyPanel(why, hasLog, jump) {
  const target = { line: why.line, insn: why.insn, place: why.place };
  const here = (words, to, label) => el("button", { type: "button", class: "jump", "aria-label": label, onclick: () => jump(to) }, words);
  const steps = why.steps.map((step, index) => el("li", { class: `step ${step.kind}` },
    here([el("span", { class: "step-text" }, visible(step.text)),
      step.place ? el("span", { class: "where" }, placeText(step.place)) : null,
      step.place?.source ? el("code", {}, visible(step.place.source.trim())) : null],
    step, `step ${index + 1}: ${step.text}: show it in the log`)));
  return el("section", { class: "why", "aria-labelledby": "why-title" },
    el("div", { class: "what" },
      el("h2", { id: "why-title" }, why.code ? el("span", { class: "code-name" }, why.code) : null, visible(why.title)),
      why.place ? here([placeText(why.place), why.place.function ? ` in ${visible(why.place.function)}()` : ""], target, "show the place in the source and the log") : null,
      why.place?.source ? snippet(why.place, why.label) : null,
      el("p", { class: "verbatim" }, el("span", { class: "dim" }, "the verifier: "), visible(why.message)),
      why.reason || why.cause ? el("p", {}, visible(why.reason || why.cause)) : null,
      why.help ? el("p", { class: "remedy" }, el("strong", {}, "Help: "), visible(why.help)) : null,
      FAULT[why.fault] ? el("p", { class: "dim" }, FAULT[why.fault]) : null),
    steps.length || hasLog ? el("div", { class: "way" },
      el("h3", {}, "How the verifier got there"),
      el("ol", {}, steps, el("li", { class: "step end" },
        here([el("span", { class: "step-text" }, "it is refused"), why.place ? el("span", { class: "where" }, placeText(why.place)) : null], target, "the refusal: show it in the log")))) : null);
}

/** The steps again, small, for beside the log; now: the number of the one that is shown, or "end". */
function stepStrip(why, now, jump) {
  const button = (words, to, label, current) => el("button", { type: "button", class: `step-button ${words === "✗" ? "bad" : ""}`, title: label, "aria-label": label, "aria-current": current ? "step" : null, onclick: () => jump(to) }, words);
  const step = why.steps[now - 1];
  return el("div", { class: "strip" },
    el("div", { role: "group", "aria-label": "how the verifier got there" },
      why.steps.map((each, index) => button(String(index + 1), each, `step ${index + 1}: ${visible(each.text)}`, now === index + 1)),
      button("✗", { line: why.line, insn: why.insn, place: why.place }, visible(why.title), now === "end")),
    step || now === "end" ? el("p", { class: now === "end" ? "bad" : "" }, visible(step ? step.text : why.label || why.title)) : null);
}
