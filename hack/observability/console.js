const RANGES = {"15m": 900, "1h": 3600, "6h": 21600, "24h": 86400, "7d": 604800};
const COLOURS = ["#1976d2", "#ef6c00", "#388e3c", "#8e24aa", "#d32f2f", "#00838f", "#9e9d24", "#6d4c41"];
const HEIGHT = 150, LEFT = 44, BOTTOM = 18;
const MOST_SERIES = 12;
const SVG = "http://www.w3.org/2000/svg";

function shown() {
  const wanted = location.hash.slice(1);
  return wanted in RANGES ? wanted : "1h";
}

function element(parent, name, attributes, text) {
  const made = parent.namespaceURI === SVG || name === "svg"
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function written(value, unit) {
  if (unit === "percentunit") return `${(value * 100).toPrecision(3)} %`;
  if (unit === "s") {
    if (value < 1) return `${(value * 1000).toPrecision(3)} ms`;
    return value < 120 ? `${value.toPrecision(3)} s` : `${(value / 60).toPrecision(3)} min`;
  }
  const number = value >= 1000 ? `${(value / 1000).toPrecision(3)} k` : `${+value.toPrecision(3)}`;
  return unit === "reqps" ? `${number}/s` : number;
}

function legend(format, labels) {
  const name = format.replace(/\[\[(\w+)\]\]/g, (_, label) => labels[label] || "");
  return name.trim() || Object.values(labels).join(" ") || "value";
}

async function series(query, range, step, end) {
  const expression = query.query.replaceAll("{ {", "{".repeat(2)).replaceAll("$__range", `${range}s`)
    .replaceAll("$__rate_interval", `${step}s`);
  const asked = new URLSearchParams({query: expression, start: end - range, end, step});
  const answer = await fetch(API, {method: "POST", body: asked});
  const told = await answer.json();
  if (told.status !== "success") throw new Error(told.error || `HTTP ${answer.status}`);
  return told.data.result.map(each => ({
    name: legend(query.legend, each.metric),
    points: each.values.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  })).filter(each => each.points.length);
}

function axes(svg, width, start, end, most, unit) {
  const bottom = HEIGHT - BOTTOM;
  for (const part of [0, .5, 1]) {
    const y = bottom - part * (bottom - 8);
    element(svg, "line", {x1: LEFT, x2: width, y1: y, y2: y, stroke: "currentColor", "stroke-opacity": .15});
    element(svg, "text", {x: LEFT - 4, y: y + 3, "text-anchor": "end", "font-size": 9, fill: "currentColor"},
      written(most * part, unit));
  }
  const days = end - start > 86400;
  for (const part of [0, .25, .5, .75, 1]) {
    const when = new Date((start + part * (end - start)) * 1000);
    const text = days ? when.toLocaleDateString([], {month: "short", day: "numeric"})
      : when.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hour12: false});
    element(svg, "text", {x: LEFT + part * (width - LEFT), y: HEIGHT - 4, "font-size": 9, fill: "currentColor",
      "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle"}, text);
  }
}

function drawn(graph, found, start, end, step) {
  const bars = graph.dataset.look === "bars", unit = graph.dataset.unit, width = Math.max(240, graph.clientWidth);
  const stacked = new Map();
  if (bars) for (const each of found) for (const [time, value] of each.points)
    stacked.set(time, (stacked.get(time) || 0) + value);
  const values = bars ? [...stacked.values()] : found.flatMap(each => each.points.map(([, value]) => value));
  const most = Math.max(...values, unit === "short" ? 1 : 1e-9);
  const bottom = HEIGHT - BOTTOM;
  const x = time => LEFT + (time - start) / (end - start) * (width - LEFT);
  const y = value => bottom - value / most * (bottom - 8);
  const svg = element(graph, "svg", {viewBox: `0 0 ${width} ${HEIGHT}`});
  axes(svg, width, start, end, most, unit);
  const below = new Map();
  const list = element(graph, "ul");
  found.forEach((each, index) => {
    const colour = COLOURS[index % COLOURS.length];
    if (bars) for (const [time, value] of each.points) {
      const base = below.get(time) || 0;
      below.set(time, base + value);
      if (!value) continue;
      const right = x(time), left = Math.max(LEFT, x(time - step) + 1);
      const bar = element(svg, "rect", {x: left, width: Math.max(1, right - left), y: y(base + value),
        height: y(base) - y(base + value), fill: colour});
      element(bar, "title", {}, `${each.name}: ${written(value, unit)}`);
    } else if (each.points.length === 1) {
      element(svg, "circle", {cx: x(each.points[0][0]), cy: y(each.points[0][1]), r: 2, fill: colour});
    } else {
      element(svg, "polyline", {fill: "none", stroke: colour, "stroke-width": 1.5,
        points: each.points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" ")});
    }
    const last = each.points[each.points.length - 1][1];
    const sum = each.points.reduce((total, [, value]) => total + value, 0);
    const item = element(list, "li");
    element(item, "i", {style: `background: ${colour}`});
    item.append(`${each.name}: ${written(bars ? sum : last, unit)}`);
  });
}

async function graph(place) {
  const range = RANGES[shown()], step = Math.max(15, Math.ceil(range / 60 / 15) * 15);
  const end = Math.ceil(Date.now() / 1000 / step) * step, start = end - range;
  try {
    const queries = JSON.parse(place.dataset.queries);
    const all = (await Promise.all(queries.map(query => series(query, range, step, end)))).flat();
    const busy = all.filter(each => place.dataset.look !== "bars" || each.points.some(([, value]) => value));
    busy.sort((one, other) => Math.max(...other.points.map(p => p[1])) - Math.max(...one.points.map(p => p[1])));
    place.replaceChildren();
    if (busy.length) drawn(place, busy.slice(0, MOST_SERIES), start, end, step);
    else element(place, "p", {class: "none"}, "nothing in this time");
    if (busy.length > MOST_SERIES) element(place, "p", {}, `and ${busy.length - MOST_SERIES} more with less`);
  } catch (error) {
    place.replaceChildren();
    element(place, "p", {class: "none"}, `not known: ${error.message}`);
  }
}

async function draw() {
  for (const link of document.querySelectorAll("nav a"))
    link.classList.toggle("shown", link.hash.slice(1) === shown());
  // One after another: a browser asking for twenty at once keeps alerts from being evaluated.
  for (const place of document.querySelectorAll(".graph")) await graph(place);
  document.body.dataset.drawn = shown();
}

addEventListener("hashchange", draw);
setInterval(() => { if (!document.hidden) location.reload(); }, 60000);
draw();
