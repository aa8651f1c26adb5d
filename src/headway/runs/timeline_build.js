// The page once: reads the run, makes lanes, bars, shades and the links of the critical path.
const { chart: run, styles, letters } = JSON.parse(document.getElementById("run").textContent);
const byId = (id) => document.getElementById(id);
const chart = byId("chart"), details = byId("details");
const MOST_PIXELS = 5e6, MARK = 5, MOST_FANNED = 12, MARGIN = 26;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const whole = Math.max(run.seconds, 1e-6);
let zoom = 1, view = 800, width = 800, rowHeight = 26, fitted = 0, seated = 0, drawn = 0, laneTops = [];

const make = (tag, css, text, ...inside) => {
  const made = document.createElement(tag);
  if (css) made.className = css;
  if (text !== undefined) made.textContent = text;
  made.append(...inside);
  return made;
};
const place = (element, css) => {
  for (const side in css) element.style[side] = `${css[side]}px`;
  return element;
};
const three = (number) => String(Number(number.toPrecision(3)));
const duration = (s) => {
  if (s === 0) return "0 s";
  if (s < 0.0009995) return `${three(s * 1e6)} µs`;
  if (s < 0.9995) return `${three(s * 1e3)} ms`;
  if (s < 600) return `${s < 99.95 ? s.toPrecision(3) : Math.round(s)} s`;
  return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
};
const agentOf = (bar) => run.lanes[bar.lane].agent ?? "no agent";
const shortName = (bar) => run.names[bar.name].split(".").pop() || run.names[bar.name];
const x = (seconds) => (seconds / whole) * width;

// What is drawn once: lanes, bars, shades, links of the critical path.
const bars = run.bars.map((bar, index) => ({
  ...bar, index, end: bar.start + bar.seconds, last: bar.row, acts: bar.acts ?? [], models: bar.models ?? [],
}));
for (const bar of [...bars].reverse()) { // the last row that a call needs for those inside it
  const around = bars[bar.parent];
  if (around && around.lane === bar.lane) around.last = Math.max(around.last, bar.last);
}
const onPath = new Set(run.path), shaded = new Set(run.shades.flatMap((shade) => shade.bars));
const answers = {
  __proto__: null, // a source may be called anything
  ran: "ran", hit: "answered from a cache", stale: "answered from a cache, past its time",
  joined: "joined a call that was under way", unfinished: "has not ended",
};

function barElement(bar) {
  const css = [`bar k${styles[bar.kind]}`, bar.source in answers ? bar.source : "ran"];
  if (bar.error) css.push("failed");
  if (onPath.has(bar.index)) css.push("on-path");
  if (bar.acts.length) css.push("acted");
  const element = make("div", css.join(" "));
  if (bar.first_chunk_s) element.append(inBar("before", bar, bar.start, bar.start + bar.first_chunk_s));
  const letter = make("i", "letter", letters[bar.kind]), took = make("span", "took", duration(bar.seconds));
  element.append(make("span", "words", undefined, letter, make("b", "", shortName(bar)), took));
  for (const act of bar.acts) {
    if (act.end > act.start) element.append(inBar("wait", bar, act.start, act.end));
    element.append(inBar("sign", bar, act.start, act.start, (act.action[0] ?? "?").toUpperCase()));
  }
  element.role = "button"; // a true button costs twice the time to lay out, and there are thousands
  element.tabIndex = -1;
  element.dataset.call = bar.index;
  element.setAttribute("aria-label", spoken(bar));
  return element;
}
function inBar(css, bar, from, to, text) {
  const part = (seconds) => Math.min(1, Math.max(0, (seconds - bar.start) / (bar.seconds || 1)));
  const element = make("i", css, text);
  element.style.left = `${part(from) * 100}%`;
  if (to > from) element.style.width = `${(part(to) - part(from)) * 100}%`;
  return element;
}
function spoken(bar) {
  const parts = [shortName(bar), run.kinds[bar.kind], agentOf(bar), answers[bar.source] ?? bar.source,
    `${duration(bar.seconds)} from ${duration(bar.start)}`];
  if (bar.error) parts.push(`failed with ${bar.error}`);
  parts.push(...bar.acts.map((act) => act.action));
  if (onPath.has(bar.index)) parts.push("on the critical path");
  if (shaded.has(bar.index)) parts.push("could have overlapped");
  return parts.join(", ");
}

// How much of its text a bar has room for: nothing, its letter, part of the name, the name, all.
const pen = document.createElement("canvas").getContext("2d");
const textWidth = new Map();
const widthOf = (text) => {
  if (!textWidth.has(text)) textWidth.set(text, pen.measureText(text).width);
  return textWidth.get(text);
};
function fitText(bar, pixels) {
  const named = 30 + widthOf(shortName(bar)), all = named + 8 + widthOf(duration(bar.seconds));
  const fit = pixels < 17 ? "none" : pixels < 52 && pixels < named ? "letter" : pixels < all ? "name" : "all";
  if (bar.fit !== fit) bar.element.dataset.fit = bar.fit = fit;
  const isLong = pixels > 240; // its text stays in view while it is scrolled
  if (isLong !== (bar.isLong ?? false)) bar.element.classList.toggle("long", bar.isLong = isLong);
}

const ticks = make("div", "ticks"), grid = make("div", "grid"), over = make("div", "over");
const sheet = make("div", "sheet", undefined, make("div", "axis", undefined, make("div", "corner", "agent"), ticks), grid);
const cursor = make("div", "cursor", undefined, make("span"));
const tracks = run.lanes.map((lane, number) => {
  const calls = bars.filter((bar) => bar.lane === number);
  const track = make("div", "track");
  const label = make("div", "agent", lane.agent ?? "no agent", make("small", "", `${calls.length} call${calls.length === 1 ? "" : "s"}`));
  if (lane.use) label.append(make("small", "use", lane.use.replace(/(\d) (\w)/g, "$1\u00a0$2")));
  const row = make("div", "lane", undefined, label, track);
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", `${lane.agent ?? "no agent"}, ${calls.length} calls${lane.use ? `, ${lane.use}` : ""}`);
  sheet.append(row);
  return track;
});
const shades = [];
run.shades.forEach((shade, number) => {
  for (const index of shade.bars) {
    const element = make("div", "shade");
    shades.push({ element, bar: bars[index], from: bars[index].start, to: bars[index].end, number });
    tracks[bars[index].lane].append(element);
  }
  for (const [from, to] of shade.lost) {
    const element = make("div", "shade");
    shades.push({ element, from, to, number });
    over.append(element);
  }
});
const byRow = new Map();
for (const bar of bars) {
  bar.element = barElement(bar);
  tracks[bar.lane].append(bar.element);
  const row = bar.lane * 1e6 + bar.row;
  if (!byRow.has(row)) byRow.set(row, []);
  byRow.get(row).push(bar);
}
const rows = [...byRow.keys()].sort((a, b) => a - b).map((key) => byRow.get(key));
const links = run.path.slice(1).map((to, number) => {
  const element = make("div", "link");
  over.append(element);
  return { element, from: bars[run.path[number]], to: bars[to] };
});
cursor.hidden = true;
over.append(cursor);
sheet.append(over);
chart.append(bars.length ? sheet : make("p", "empty", "No call was recorded."));
for (const part of ["chart", ...(bars.length ? ["tools", "keys"] : [])]) byId(part).hidden = false;
byId("path").hidden = !run.path.length;
byId("overlap").hidden = !shades.length;

let stopped = bars[0]; // the one call that can be tabbed to; arrows lead from it to the others
if (stopped) stopped.element.tabIndex = 0;
