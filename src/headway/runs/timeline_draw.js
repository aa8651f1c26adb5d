// Every place in pixels, again after each zoom.
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
  tracks.forEach((track, number) => place(track, { minHeight: 12 + run.lanes[number].rows * rowHeight - 4 }));
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
