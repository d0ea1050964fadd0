// The page of a worker: asks /state.json every two seconds, and shows what it says.

const PAUSE_MS = 2000;
const LATEST_MS = 10000;
const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);
const shown = new Map();
let answeredAt = null;
let lastKind = null;
let controls = "off";

// -- building blocks

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Renders a part of the page only when its data have changed, so that a selection stays. Keeps the focus on a link. */
function show(id, data, render) {
  const text = JSON.stringify(data);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  const part = $(id);
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  part.replaceChildren(...render(data));
  [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
}

/** The rows of a table; the first cell of each is its heading. Without rows, one cell says so. */
function rows(items, width, none, cells) {
  if (!items.length) return [el("tr", {}, el("td", { colspan: width }, none))];
  return items.map((item) =>
    el("tr", {}, ...cells(item).map((cell, index) => (index ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))),
  );
}

const card = (name, value, note) =>
  el("div", {}, el("dt", {}, name), el("dd", {}, value, ...(note ? [el("small", {}, note)] : [])));

/** A text whose commands stand in backquotes, as elements. */
const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? el("code", {}, part) : part));

// -- numbers and times

const number = (value) => value.toLocaleString("en");
const clock = (at, end = 16) => new Date(at * 1000).toISOString().slice(11, end);
const pace = (value) => (value >= 10 ? value.toFixed(0) : value.toFixed(1));

function duration(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${seconds.toFixed(0)} s`;
  if (seconds < 6000) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(0)} h` : `${(seconds / 86400).toFixed(0)} days`;
}

// -- sections, in the order of the page

function showSummary(state) {
  const { kind, text, remedy, runbook } = state.summary;
  $("summary").className = kind;
  show("sentence", text, () => [text]);
  show("advice", [remedy, runbook], () => [
    el("strong", {}, "Next step: "), remedy ?? "", " ",
    ...(runbook ? [el("a", { href: runbook }, "What the runbook says")] : []),
  ]);
  $("advice").hidden = remedy === null;
  show("reasons", state.reasons, (reasons) => reasons.map((reason) =>
    el("li", {}, el("a", { href: reason.runbook }, reason.name),
      ` since ${clock(reason.since)} UTC: `, ...withCode(reason.why), `. ${reason.orders}`)));
  $("reasons").hidden = !state.reasons.length;
  if (kind !== lastKind) $("announcement").textContent = text;
  lastKind = kind;
  document.title = `${text.split(/[:;,]/, 1)[0]} – journeys`;
  const { version, group, instance, started_at: since } = state.worker;
  show("worker", state.worker, () => [`${instance} in group ${group}, version ${version}, since `,
    el("time", { datetime: new Date(since * 1000).toISOString() },
      `${new Date(since * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`)]);
}

function showControls(state) {
  controls = state.controls;
  const shut = Object.keys(state.gate.reasons);
  $("controls-off").hidden = controls !== "off";
  $("hold").hidden = controls === "off" || shut.includes("operator");
  $("resume").hidden = controls === "off" || !(shut.includes("operator") || shut.includes("flood"));
}

function showOrders(orders, kind) {
  show("orders", [orders, kind], () => [
    card("Due", number(orders.due), `${number(orders.in_hand)} in hand`),
    card("Settling", number(orders.waiting), orders.next_due ? `next due at ${clock(orders.next_due, 19)} UTC` : "none"),
    card("Lag", number(orders.lag), orders.lag_s === null ? "none" : `the oldest came ${duration(orders.lag_s)} ago`),
    card("Time to catch up", catchUp(orders, kind), `${pace(orders.per_s)} orders/s in the last minute`),
    card("Published", number(orders.published), "since the start"),
    card("Retried", number(orders.retried), "since the start"),
    card("Dead letters", number(orders.dead_lettered), `${number(orders.dead_lettered_lately)} in the last 15 minutes`),
  ]);
}

function catchUp(orders, kind) {
  if (orders.catch_up_s === null) return kind === "working" ? "not falling" : "waiting";
  return orders.catch_up_s ? duration(orders.catch_up_s) : "caught up";
}

function showHistory(points) {
  show("charts", points, () => [
    chart(points, "Orders per second", pace, [["published", "published_per_s"], ["failed", "failed_per_s"]]),
    chart(points, "Time of a request to the API", duration, [["median", "median_s"], ["95th percentile", "p95_s"]]),
  ]);
  show("minutes", points.filter((_, index) => (points.length - 1 - index) % 12 === 0).reverse(), (minutes) =>
    rows(minutes, 5, "No history yet.", (point) => [
      clock(point.at), pace(point.published_per_s), pace(point.failed_per_s),
      ...[point.median_s, point.p95_s].map((value) => (value === null ? "no request" : duration(value)))]));
}

/** A line chart of two series, the second one dashed. Each series is a name and the field of a point. */
function chart(points, title, format, series) {
  const [width, height] = [900, 100];
  const values = series.flatMap(([, field]) => points.map((point) => point[field]).filter((value) => value !== null));
  const top = Math.max(...values, 0);
  const until = points.at(-1)?.at ?? Date.now() / 1000;
  const seconds = Math.max(60, until - (points[0]?.at ?? until));
  const x = (at) => (width * (1 - (until - at) / seconds)).toFixed(1);
  const y = (value) => (height - 1 - (top ? (value / top) * (height - 2) : 0)).toFixed(1);
  const lines = series.map(([, field], index) => {
    let path = "";
    let before = -Infinity;
    for (const point of points) {
      const value = point[field];
      if (value === null) continue;
      path += point.at - before > 15 ? `M${x(point.at)} ${y(value)}h.1` : `L${x(point.at)} ${y(value)}`;
      before = point.at;
    }
    return svg("path", { d: path, class: index ? "second" : "first" });
  });
  const highest = values.length ? `highest ${format(top)}` : "no data yet";
  const now = series.map(([name, field]) => {
    const value = points.at(-1)?.[field] ?? null;
    return `${name} ${value === null ? "none" : format(value)}`;
  });
  const label = `${title} in the last ${duration(seconds)}: ${highest}; now ${now.join(", ")}`;
  const picture = svg("svg",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...lines);
  const legend = series.map((_, index) => el("span", {},
    svg("svg", { class: "key", "aria-hidden": "true", viewBox: "0 0 24 12" },
      svg("path", { d: "M0 6H24", class: index ? "second" : "first" })), ` ${now[index]}`));
  return el("figure", {}, el("figcaption", {}, `${title}, ${highest}`), picture,
    el("p", { class: "axis" }, el("span", {}, `${duration(seconds)} ago`), el("span", {}, `${clock(until)} UTC`)),
    el("p", { class: "legend" }, ...legend));
}

function showPartitions(partitions) {
  const most = Math.max(1, ...partitions.map((each) => each.done_beyond + each.in_hand + each.waiting + each.unread));
  show("partitions", partitions, () => rows(partitions, 7, "No partition is assigned.", (each) => [
    `${each.topic}/${each.partition}`, strip(each, most), number(each.watermark), number(each.done_beyond),
    number(each.in_hand), number(each.waiting), number(each.unread)]));
}

function strip(each, most) {
  const parts = [["done", each.done_beyond], ["in-hand", each.in_hand], ["waiting", each.waiting], ["unread", each.unread]];
  const names = { done: "done beyond the watermark", "in-hand": "in hand", waiting: "waiting", unread: "not read" };
  let from = 1;
  const boxes = parts.filter(([, count]) => count).map(([name, count]) => {
    const width = Math.max(3, (count / most) * 186);
    const box = svg("rect", { class: name, x: from, y: 1, width, height: 14 });
    from += width;
    return box;
  });
  const label = parts.filter(([, count]) => count).map(([name, count]) => `${number(count)} ${names[name]}`).join(", ");
  return svg("svg", { class: "strip", viewBox: "0 0 200 16", role: "img", "aria-label": label || "nothing open" }, ...boxes);
}

function showGate(gate) {
  const reasons = Object.entries(gate.reasons);
  show("gate", gate, () => [
    card("Gate", reasons.length ? "shut" : "open", reasons.map(([name]) => name).join(", ") || "requests pass"),
    card("Limit", gate.rate_per_s === null ? "none" : `${gate.rate_per_s}/s`, "requests to the API"),
    card("In flight", number(gate.in_flight), "requests"),
    card("Throttled (429)", number(gate.throttled_lately), `in the last 15 minutes; ${number(gate.throttled)} since the start`),
  ]);
}

function showOldest(order) {
  show("oldest", order, () => {
    if (order === null) return ["No order is in hand."];
    const name = order.order_id === null ? "An order whose message cannot be read yet" : `Order ${order.order_id}`;
    return [`${name}, from ${order.position}, has been in hand for ${duration(order.seconds)}.`];
  });
}

function render(state) {
  showSummary(state);
  showControls(state);
  showOrders(state.orders, state.summary.kind);
  showHistory(state.history);
  showPartitions(state.partitions);
  showGate(state.gate);
  show("channels", state.channels, (channels) =>
    rows(channels, 3, "No event is published yet.", (each) => [each.channel, number(each.lately), number(each.events)]));
  show("problems", state.problems, (problems) =>
    rows(problems, 5, "No problem since the start.", (each) => [
      clock(each.at, 19), each.order_id ?? `unknown, ${each.position}`, each.outcome, each.reason,
      el("code", {}, each.command)]));
  showOldest(state.oldest_order);
  show("settings", state.settings, (settings) =>
    rows(settings, 3, "", (each) => [el("code", {}, each.variable), each.value, each.source]));
}

function showSilence() {
  const text = answeredAt === null
    ? "No answer: the worker does not answer"
    : `No answer: the worker has not answered since ${clock(answeredAt / 1000, 19)} UTC; the numbers below are that old`;
  $("summary").className = "silent";
  show("sentence", text, () => [text]);
  show("advice", "silent", () => [el("strong", {}, "Next step: "), "Look whether its process runs, and at its log."]);
  $("advice").hidden = false;
  if (lastKind !== "silent") $("announcement").textContent = text;
  lastKind = "silent";
  document.title = "No answer – journeys";
}

// -- hold and resume

const QUESTIONS = {
  hold: ["Hold the intake of this worker?", "It takes no new orders until it is resumed or restarted. They wait in Kafka, and none is lost.", "Hold"],
  resume: ["Resume the intake of this worker?", "It takes orders again. After a flood of dead letters, repair the cause first.", "Resume"],
};
let asked = "hold";

function ask(control) {
  asked = control;
  [$("question-title").textContent, $("question-text").textContent, $("yes").textContent] = QUESTIONS[control];
  $("token-line").hidden = controls !== "token";
  $("token").value = "";
  $("refusal").textContent = "";
  $("question").showModal();
}

async function answer(event) {
  event.preventDefault();
  const headers = { "X-Journeys": asked };
  if (controls === "token") headers.Authorization = `Bearer ${$("token").value.trim()}`;
  try {
    const response = await fetch(`/${asked}`, { method: "POST", headers });
    const { ok, error } = await response.json();
    if (ok) {
      $("question").close();
      await poll();
      $(asked === "hold" ? "resume" : "hold").focus(); // the button that was pressed is hidden now
    } else $("refusal").textContent = `Refused: ${error}.`;
  } catch {
    $("refusal").textContent = "The worker does not answer.";
  }
}

for (const control of Object.keys(QUESTIONS)) $(control).addEventListener("click", () => ask(control));
$("answer").addEventListener("submit", answer);
$("no").addEventListener("click", () => $("question").close());

// -- the loop

async function poll() {
  try {
    const response = await fetch("/state.json", { signal: AbortSignal.timeout(LATEST_MS) });
    if (!response.ok) throw new Error(response.statusText);
    render(await response.json());
    answeredAt = Date.now();
  } catch (error) {
    console.warn("journeys:", error);
    showSilence();
  }
}

for (;;) {
  if (!document.hidden) await poll();
  await new Promise((resume) => setTimeout(resume, PAUSE_MS));
}
