// Zoom and pan: buttons, wheel, drag, pinch.
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
