// Details of a call, and the keys that lead from call to call.
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
    bar.model_before && ["before it", `model ${duration(bar.model_before)}`],
    bar.neither_before && [bar.model_before ? "" : "before it", `neither model nor tool ${duration(bar.neither_before)}`],
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
  const isSheet = details.offsetWidth === innerWidth;
  document.body.style.paddingBottom = isSheet ? `${details.offsetHeight + 24}px` : "";
  const covered = bar.element.getBoundingClientRect().bottom + 24 - details.getBoundingClientRect().top;
  if (isSheet && covered > 0) scrollBy({ top: covered });
}
function unpin(isBack) {
  pinned?.element.classList.remove("open");
  if (isBack) pinned?.element.focus({ preventScroll: true });
  pinned = null;
  details.classList.remove("pinned");
  document.body.style.paddingBottom = "";
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
