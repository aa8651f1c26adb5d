"use strict";
(() => {
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
    ran: "ran", hit: "answered from a cache", stale: "answered from a cache, past its time",
    joined: "joined a call that was under way", unfinished: "has not ended",
  };

  function barElement(bar) {
    const css = [`bar k${styles[bar.kind]}`, Object.hasOwn(answers, bar.source) ? bar.source : "ran"];
    if (bar.error) css.push("failed");
    if (onPath.has(bar.index)) css.push("on-path");
    if (bar.acts.length) css.push("acted");
    const element = make("div", css.join(" "));
    if (bar.first_chunk_s) element.append(inBar("before", bar, bar.start, bar.start + bar.first_chunk_s));
    const letter = make("i", "letter", letters[bar.kind]), took = make("span", "took", duration(bar.seconds));
    element.append(make("span", "words", undefined, letter, make("b", "", shortName(bar)), took));
    for (const act of bar.acts) {
      if (act.end > act.start) element.append(inBar("wait", bar, act.start, act.end));
      element.append(inBar("sign", bar, act.start, act.start, act.action[0].toUpperCase()));
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
    const row = make("div", "lane", undefined, label, track);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `${lane.agent ?? "no agent"}, ${calls.length} calls`);
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

  // What depends on the zoom: every place in pixels.
  function measure() {
    const style = getComputedStyle(document.documentElement);
    pen.font = `600 11.5px ${style.getPropertyValue("--text")}`;
    const gutter = parseFloat(style.getPropertyValue("--gutter"));
    const many = run.lanes.reduce((sum, lane) => sum + lane.rows, 0);
    rowHeight = many > 300 ? 10 : many > 100 ? 16 : parseFloat(style.getPropertyValue("--row")) || 26;
    chart.classList.toggle("dense", rowHeight < 14);
    chart.style.setProperty("--row", `${rowHeight}px`);
    chart.style.setProperty("--gap", rowHeight < 14 ? "2px" : "5px");
    view = Math.max(120, (fitted || chart.clientWidth) - gutter - MARGIN);
    return gutter;
  }
  function draw(anchor = 0) {
    const before = width, gutter = measure();
    width = view * zoom;
    sheet.style.width = `${gutter + width + MARGIN}px`;
    chart.scrollLeft = (chart.scrollLeft + anchor - gutter) / before * width + gutter - anchor;
    tracks.forEach((track, number) => place(track, { height: 12 + run.lanes[number].rows * rowHeight - 4 }));
    laneTops = tracks.map((track) => track.parentElement.offsetTop + track.offsetTop - over.offsetTop);
    for (const row of rows) fan(row);
    if (rowHeight !== seated) for (const bar of bars) place(bar.element, { top: top(bar) });
    seated = rowHeight;
    drawn++;
    drawBars();
    for (const { element, bar, from, to } of shades) {
      place(element, { left: x(from), width: Math.max(2, x(to) - x(from)) });
      if (bar) place(element, { top: top(bar) - 4, height: (bar.last - bar.row + 1) * rowHeight + 3 });
    }
    links.forEach(drawLink);
    cursor.hidden = true;
    drawTicks();
    byId("all").textContent = zoom < 10 ? `${Math.round(zoom * 100)}%` : `×${three(zoom)}`;
    byId("out").disabled = zoom <= 1;
  }
  const top = (bar) => 6 + bar.row * rowHeight;
  // Bars out of sight keep their place in the document, and cost nothing until they are scrolled to.
  function drawBars() {
    const from = chart.scrollLeft - view / 2, to = chart.scrollLeft + view * 1.5;
    for (const bar of bars) {
      const pixels = x(bar.seconds), isSeen = (bar.x + pixels + MARK >= from && bar.x <= to) || bar === stopped;
      if (isSeen !== bar.isSeen) bar.element.hidden = !(bar.isSeen = isSeen);
      if (!isSeen || bar.drawn === drawn) continue;
      place(bar.element, { left: bar.x, width: pixels });
      fitText(bar, pixels);
      bar.drawn = drawn;
    }
  }
  // Answers from a cache take no time: the few that fall on one place stand side by side.
  function fan(row) {
    let group = [], right = -Infinity;
    const settle = () => {
      const fanned = group.length > 1 && group.length <= MOST_FANNED;
      group.forEach((bar, number) => { bar.x = x(fanned ? group[0].start : bar.start) + (fanned ? number * (MARK + 2) : 0); });
      group = [];
    };
    for (const bar of row) {
      const left = x(bar.start), isMark = x(bar.seconds) < MARK;
      if (!isMark || left > right) settle();
      if (isMark) group.push(bar);
      else bar.x = left;
      right = isMark ? Math.max(left, right) + MARK + 2 : -Infinity;
    }
    settle();
  }
  function middle(bar) {
    return laneTops[bar.lane] + top(bar) + (rowHeight - 5) / 2;
  }
  function drawLink({ element, from, to }) {
    const x2 = x(to.start), x1 = Math.min(x(from.end), x2), y1 = middle(from), y2 = middle(to);
    const half = (rowHeight - 5) / 2 + 1, isDown = y2 > y1;
    const isLevel = Math.abs(y2 - y1) < rowHeight / 2, off = x2 - x1 < 3 ? half : 0; // straight from edge to edge
    const [upper, lower] = isLevel ? [y1 - 1, y1 + 1] : isDown ? [y1 + off, y2 - half] : [y2 + half, y1 - off];
    place(element, { left: x1 - 1, width: x2 - x1 + 2, top: upper, height: lower - upper });
    element.hidden = isLevel && off > 0; // they touch
    element.style.borderWidth = isLevel ? "2px 0 0 0" : off ? "0 2px 0 0" : isDown ? "2px 2px 0 0" : "0 2px 2px 0";
  }
  function drawTicks() {
    const least = (view < 500 ? 58 : 84) * whole / width;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = least < 1 ? [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least * 0.9999) : STEPS.find((n) => n >= least) ?? 86400 * Math.ceil(least / 86400);
    const from = Math.max(0, Math.floor((chart.scrollLeft / width) * whole / step)), to = Math.min(whole, ((chart.scrollLeft + chart.clientWidth) / width) * whole);
    const marks = [], lines = [];
    for (let n = from; n * step <= to + step * 1e-6; n++) {
      const at = { left: x(n * step) };
      if (at.left + 40 < width + MARGIN || !n) marks.push(place(make("span", "", tickText(n * step, step)), at));
      lines.push(place(make("i"), at));
    }
    ticks.replaceChildren(...marks);
    grid.replaceChildren(...lines);
  }
  function tickText(seconds, step) {
    if (seconds === 0) return "0";
    if (step >= 1 && whole >= 120) {
      const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
      const clock = `${Math.floor((whole % 3600) / 60)}:${two(whole % 60)}`;
      return whole < 3600 ? clock : `${Math.floor(whole / 3600)}:${clock.padStart(5, "0")}`;
    }
    const digits = (unit) => Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
    if (whole >= 1) return `${seconds.toFixed(digits(1))} s`;
    return whole >= 1e-3 ? `${(seconds * 1e3).toFixed(digits(1e-3))} ms` : `${(seconds * 1e6).toFixed(digits(1e-6))} µs`;
  }

  // Zoom and pan.
  function zoomTo(wanted, anchor = chart.clientWidth / 2) {
    zoom = Math.min(Math.max(1, wanted), MOST_PIXELS / view);
    draw(anchor);
  }
  function scrollTo(left) {
    chart.scrollLeft = left;
    drawBars();
    drawTicks();
  }
  const zoomBy = (factor, anchor) => zoomTo(zoom * factor, anchor);
  let turned = 1;
  function zoomSoon(factor, anchor) { // wheels and fingers report faster than frames are drawn
    if (turned === 1) requestAnimationFrame(() => { const by = turned; turned = 1; zoomBy(by, anchor); });
    turned *= factor;
  }
  function show(from, to) {
    zoomTo(0.86 * whole / Math.max(to - from, whole * 1e-6));
    scrollTo(x(from) - 0.07 * view);
  }
  byId("in").onclick = () => zoomBy(1.6);
  byId("out").onclick = () => zoomBy(1 / 1.6);
  byId("all").onclick = () => zoomTo(1);
  for (const part of ["path", "overlap"]) {
    byId(part).onclick = ({ currentTarget: button }) => {
      const isOff = chart.classList.toggle(`no-${part}`);
      button.setAttribute("aria-pressed", String(!isOff));
    };
  }
  for (const button of document.querySelectorAll("[data-shade]")) {
    button.onclick = () => {
      const mine = shades.filter((shade) => shade.number === Number(button.dataset.shade));
      if (!mine.length) return;
      show(Math.min(...mine.map((shade) => shade.from)), Math.max(...mine.map((shade) => shade.to)));
      chart.scrollIntoView({ block: "nearest" });
    };
  }
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomSoon(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.004)), event.clientX - chart.getBoundingClientRect().left);
  }, { passive: false });

  const fingers = new Map();
  let dragged = null, pinched = 0;
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1; };
  chart.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) pinched = spread();
    } else if (event.button === 0) dragged = { x: event.clientX, y: event.clientY, left: chart.scrollLeft, top: chart.scrollTop, moved: false };
  });
  chart.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId)) {
      fingers.set(event.pointerId, event);
      if (fingers.size !== 2) return;
      const [a, b] = [...fingers.values()], now = spread();
      zoomSoon(now / pinched, (a.clientX + b.clientX) / 2 - chart.getBoundingClientRect().left);
      pinched = now;
    } else if (event.pointerType !== "touch") {
      if (dragged && Math.hypot(event.clientX - dragged.x, event.clientY - dragged.y) > 4) dragged.moved = true;
      if (dragged?.moved) {
        chart.classList.add("dragged");
        chart.scrollLeft = dragged.left + dragged.x - event.clientX;
        chart.scrollTop = dragged.top + dragged.y - event.clientY;
      }
      const at = event.clientX - over.getBoundingClientRect().left;
      cursor.hidden = at < chart.scrollLeft || at > width;
      place(cursor, { left: at }).firstChild.textContent = duration(Math.max(0, at / width * whole));
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      chart.classList.remove("dragged");
      if (dragged) setTimeout(() => { dragged = null; }); // after the click that may follow
    });
  }
  chart.addEventListener("pointerleave", () => { cursor.hidden = true; hover(null); });
  chart.addEventListener("scroll", () => requestAnimationFrame(() => { drawBars(); drawTicks(); }), { passive: true });

  // Details.
  let pinned = null;
  const barOf = (event) => bars[event.target.closest?.(".chart .bar")?.dataset.call];
  const count = (number) => number.toLocaleString("en");
  function factsOf(bar) {
    const around = bars[bar.parent];
    const facts = [
      ["agent", agentOf(bar)], ["began at", duration(bar.start)], ["took", duration(bar.seconds)],
      ["answer", (answers[bar.source] ?? bar.source) + (bar.age_s === undefined ? "" : `, ${duration(bar.age_s)} old`)],
      bar.error && ["error", bar.error, "error"],
      bar.first_chunk_s !== undefined && ["first words", `after ${duration(bar.first_chunk_s)}`],
      around && ["inside", run.names[around.name]],
      bar.inside && ["contains", `${bar.inside} call${bar.inside === 1 ? "" : "s"}`],
      ...bar.acts.map((act) => [act.action, [act.count && `${act.count}`, act.end > act.start && duration(act.end - act.start), act.detail].filter(Boolean).join(" · ") || `at ${duration(act.start)}`]),
      ...bar.models.flatMap((used) => [
        ["model", `${used.model} (${used.provider})`],
        used.tokens_in !== undefined && ["tokens in", count(used.tokens_in) + (used.tokens_cached ? `, ${count(used.tokens_cached)} cached` : "")],
        used.tokens_out !== undefined && ["tokens out", count(used.tokens_out) + (used.tokens_reasoning ? `, ${count(used.tokens_reasoning)} reasoning` : "")],
        used.finish_reason && ["finished by", used.finish_reason],
      ]),
      bar.key && ["question", `${bar.key}…`], ["call", bar.call],
      onPath.has(bar.index) && ["path", "on the critical path"],
      shaded.has(bar.index) && ["overlap", "could have run beside its neighbours, if independent"],
    ];
    return facts.filter(Boolean);
  }
  function fill(bar) {
    const list = make("dl");
    for (const [term, text, css] of factsOf(bar)) list.append(make("dt", "", term), make("dd", css, text));
    const close = make("button", "close", "×");
    close.type = "button";
    close.setAttribute("aria-label", "Close details");
    close.onclick = () => unpin(true);
    details.replaceChildren(make("h3", "", run.names[bar.name]), make("p", "tell", run.kinds[bar.kind]), list, close);
    details.hidden = false;
    const box = bar.element.getBoundingClientRect(), frame = chart.getBoundingClientRect();
    const left = Math.max(box.left, frame.left + 8), below = box.bottom + 10;
    const fits = below + details.offsetHeight < innerHeight - 8;
    place(details, { left: Math.max(12, Math.min(left, innerWidth - details.offsetWidth - 12)), top: fits ? below : Math.max(8, box.top - details.offsetHeight - 10) });
  }
  function hover(bar) {
    if (pinned) return;
    if (bar) fill(bar);
    else if (!chart.contains(document.activeElement) || !document.activeElement.matches(":focus-visible")) details.hidden = true;
  }
  function pin(bar) {
    unpin(false);
    pinned = bar;
    bar.element.classList.add("open");
    details.classList.add("pinned");
    fill(bar);
    const covered = bar.element.getBoundingClientRect().bottom + 24 - details.getBoundingClientRect().top;
    if (covered > 0 && details.offsetWidth === innerWidth) scrollBy({ top: covered });
  }
  function unpin(isBack) {
    pinned?.element.classList.remove("open");
    if (isBack) pinned?.element.focus({ preventScroll: true });
    pinned = null;
    details.classList.remove("pinned");
    details.hidden = true;
  }
  chart.addEventListener("pointerover", (event) => { if (event.pointerType !== "touch" && !dragged?.moved) hover(barOf(event) ?? null); });
  const toggle = (bar) => {
    if (pinned === bar) unpin(true);
    else { stop(bar); pin(bar); }
  };
  chart.addEventListener("click", (event) => {
    if (dragged?.moved) return;
    const bar = barOf(event);
    if (bar) toggle(bar);
    else unpin(false);
  });
  chart.addEventListener("dblclick", (event) => { const bar = barOf(event); if (bar) { show(bar.start, bar.end); pin(bar); } });
  chart.addEventListener("focusin", (event) => {
    const bar = barOf(event);
    if (!bar) return;
    stop(bar);
    if (!event.target.matches(":focus-visible")) return;
    unpin(false);
    fill(bar);
  });
  chart.addEventListener("focusout", () => { if (!pinned) details.hidden = true; });

  // Keys.
  function stop(bar) {
    stopped.element.tabIndex = -1;
    bar.element.tabIndex = 0;
    stopped = bar;
  }
  function reveal(bar) {
    const gutter = chart.clientWidth - view - MARGIN, left = bar.x, right = Math.min(bar.x + x(bar.seconds), bar.x + view * 0.6);
    if (left < chart.scrollLeft || right > chart.scrollLeft + chart.clientWidth - gutter) scrollTo(left - view * 0.15);
    const y = middle(bar) + over.offsetTop;
    if (y < chart.scrollTop + 60 || y > chart.scrollTop + chart.clientHeight - 30) chart.scrollTop = y - chart.clientHeight / 2;
    if (!bar.element.hidden) bar.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  function focusOn(bar) {
    reveal(bar); // what is out of sight is hidden, and cannot be focused
    bar.element.focus({ preventScroll: true });
  }
  function neighbour(bar, key) {
    if (key === "Home") return bars[0];
    if (key === "End") return bars[bars.length - 1];
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const lane = bars.filter((other) => other.lane === bar.lane);
      return lane[lane.indexOf(bar) + (key === "ArrowRight" ? 1 : -1)];
    }
    const row = rows[rows.indexOf(byRow.get(bar.lane * 1e6 + bar.row)) + (key === "ArrowDown" ? 1 : -1)];
    const away = (other) => Math.max(0, other.start - bar.start, bar.start - other.end) + Math.abs(other.start - bar.start) * 1e-6;
    return row?.reduce((best, other) => (away(other) < away(best) ? other : best));
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const bar = barOf(event);
    const act = {
      "+": () => zoomBy(1.6), "=": () => zoomBy(1.6), "-": () => zoomBy(1 / 1.6), _: () => zoomBy(1 / 1.6), 0: () => zoomTo(1),
      Escape: () => unpin(true),
    }[event.key];
    if (act) act();
    else if (bar && (event.key === "Enter" || event.key === " ")) toggle(bar);
    else if (event.shiftKey && /^Arrow(Left|Right)$/.test(event.key)) chart.scrollLeft += (event.key === "ArrowRight" ? 0.25 : -0.25) * view;
    else if (bar && /^(Arrow|Home|End)/.test(event.key)) focusOn(neighbour(bar, event.key) ?? bar);
    else return;
    event.preventDefault();
  });

  addEventListener("resize", () => { if (bars.length) zoomTo(zoom); });
  addEventListener("beforeprint", () => { fitted = 1000; zoomTo(1); });
  addEventListener("afterprint", () => { fitted = 0; zoomTo(1); });
  if (bars.length) draw();
})();
