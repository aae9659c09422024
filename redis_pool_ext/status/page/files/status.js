// Asks for the numbers every two seconds and draws them. What comes from data is put in as text,
// never as markup.
"use strict";

const EVERY = 2000; // ms between two questions; the server is asked for its clients every fifth time
const PATIENCE = 8000; // ms for an answer
const SPAN = 300; // seconds that charts show
const NO_TIME = 0.0001; // seconds; what is less was not measured
const NBSP = "\u00a0"; // a number and its unit stay together
const SVG = "http://www.w3.org/2000/svg";

const $ = (id) => document.getElementById(id);
const poolKey = (pool) => `${pool.alias} ${pool.kind} ${pool.server}`;

const page = {
  data: null, // the last answer
  servers: [],
  samples: new Map(), // of each pool, by its key
  pool: null, // the key of the one that is shown
  chosen: null, // "all" or a process id, once somebody has chosen
  first: null, // the process that answered first: a web server asks another one each time
  answered: 0, // performance.now() of the last answer
  failure: null, // why the last question had none
  paused: false,
  moment: 0, // seconds before now that charts tell of
  pointed: null, // the same, while a pointer is on a chart
  rounds: 0,
  news: "", // for those who hear the page
};

// -- making nodes ------------------------------------------------------------------------

function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Changes nothing where nothing has changed: a screen reader would read it again.
function say(target, text) {
  const found = typeof target === "string" ? $(target) : target;
  if (found.textContent !== String(text)) found.textContent = text;
}

const cell = (text, className = "") => node("td", { className, textContent: text });
const rowHead = (...children) => {
  const head = node("th", {}, ...children);
  head.scope = "row";
  return head;
};

// -- words for numbers ---------------------------------------------------------------------

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const count = (value) => whole.format(Math.round(value));
const rate = (value) => (value >= 100 ? count(value) : short.format(Math.round(value * 10) / 10));
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

function time(seconds) {
  if (seconds <= NO_TIME) return `0${NBSP}ms`;
  if (seconds < 0.9995) return `${short.format(Number((seconds * 1000).toPrecision(seconds < 0.01 ? 2 : 3)))}${NBSP}ms`;
  if (seconds < 120) return `${short.format(seconds)}${NBSP}s`;
  if (seconds < 7200) return `${count(seconds / 60)}${NBSP}min`;
  return seconds < 172800 ? `${count(seconds / 3600)}${NBSP}h` : `${count(seconds / 86400)}${NBSP}days`;
}

// -- asking --------------------------------------------------------------------------------

async function ask(address) {
  const response = await fetch(address, {
    cache: "no-store", headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE),
  });
  if (response.status === 403) throw new Error("you may not see this page any more: reload it, and log in");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

async function askForNumbers() {
  const process = page.chosen ?? page.first ?? "this";
  const last = [...page.samples.values()].map((each) => each.at(-1)?.at ?? Infinity);
  const since = Math.min(...last);
  const query = new URLSearchParams({ process, since: Number.isFinite(since) ? since : 0 });
  try {
    const data = await ask(`status.json?${query}`);
    if (process !== (page.chosen ?? page.first ?? "this")) return; // another one was chosen meanwhile
    page.failure = null;
    page.answered = performance.now();
    take(data);
  } catch (error) {
    page.failure = wordsFor(error);
  }
  showLife();
}

function wordsFor(error) {
  if (error.name === "TimeoutError") return `no answer within ${PATIENCE / 1000} s`;
  return error instanceof TypeError ? "the web server does not answer" : error.message;
}

async function askServers() {
  try {
    page.servers = (await ask("servers.json")).servers;
    if (page.data) showClients(shownPool());
  } catch {
    // the numbers fail as well then, and say so
  }
}

function take(data) {
  if (page.chosen === null) {
    if (data.error) startAnew(); // that process is gone; the next question finds another one
    else page.first = String(data.shown);
  }
  page.data = data;
  const keys = new Set(data.pools.map(poolKey));
  for (const key of page.samples.keys()) if (!keys.has(key)) page.samples.delete(key);
  for (const pool of data.pools) {
    const kept = (page.samples.get(poolKey(pool)) ?? []).filter((each) => each.at > data.at - SPAN - 5);
    const first = pool.samples[0]?.at ?? Infinity;
    page.samples.set(poolKey(pool), [...kept.filter((each) => each.at < first), ...pool.samples]);
  }
  if (!keys.has(page.pool)) page.pool = data.pools.length ? poolKey(data.pools[0]) : null;
  show();
}

function startAnew() {
  page.first = null;
  page.samples.clear();
}

const shownPool = () => page.data.pools.find((pool) => poolKey(pool) === page.pool);
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function keepAsking() {
  for (;;) {
    if (!document.hidden && !page.paused) {
      if (page.rounds++ % 5 === 0) askServers();
      await askForNumbers();
    }
    await sleep(EVERY);
  }
}

// -- everything -----------------------------------------------------------------------------

function show() {
  const { data } = page;
  const pool = shownPool();
  showWho(data);
  showChoice(data);
  showTabs(data.pools);
  $("pool").hidden = !pool;
  showNotice(data, pool);
  if (!pool) return;
  showHead(pool);
  showFigures(pool);
  showAdvice(pool);
  showCharts(pool);
  showHolders(pool);
  showShares(pool);
  showProcesses(data, pool);
  showClients(pool);
  showTotals(pool);
  showSettings(pool);
}

function showWho(data) {
  const me = data.processes.find((each) => each.pid === data.answered_by);
  say("who", `Process ${me.pid} answers: ${me.program} on ${me.host}`);
  say("version", `redis_pool_ext ${data.version}`);
}

function showNotice(data, pool) {
  const none = data.error || (pool ? null : "No pool has been used here yet: the numbers begin with the first one.");
  $("notice").hidden = !none;
  if (none) say("notice", none);
}

// Says how old the numbers are; called every second, too.
function showLife() {
  const seconds = Math.round((performance.now() - page.answered) / 1000);
  const age = page.answered ? `; the numbers are ${time(seconds)} old` : "";
  const isLate = page.failure !== null;
  $("live").className = isLate ? "live is-late" : page.paused ? "live is-paused" : "live";
  if (isLate) say("live-text", `Not up to date: ${page.failure}${age}`);
  else if (page.paused) say("live-text", `Paused${age}`);
  else if (page.data) say("live-text", `Live: asked every ${EVERY / 1000} s, last at ${clock(page.data.at)}`);
  say("news", isLate ? `The numbers are not up to date: ${page.failure}` : page.news);
}

// -- which process, which pool ---------------------------------------------------------------

function showChoice(data) {
  const answers = data.processes.filter((each) => !each.error);
  const wanted = answers.map(({ pid, program }) => [String(pid), `process ${pid} (${program})`]);
  if (answers.length > 1) wanted.push(["all", `all ${answers.length} processes in sum`]);
  const select = $("process");
  const chosen = page.chosen ?? page.first ?? String(data.answered_by);
  if (!wanted.some(([value]) => value === chosen)) wanted.push([chosen, `process ${chosen} (gone)`]);
  const shown = JSON.stringify([chosen, wanted]);
  if (shown === select.dataset.shown) return;
  select.dataset.shown = shown;
  select.replaceChildren(...wanted.map(([value, textContent]) => node("option", { value, textContent })));
  select.value = chosen;
}

function showTabs(pools) {
  const keys = JSON.stringify(pools.map(poolKey));
  const tabs = $("tabs");
  tabs.hidden = pools.length < 2;
  if (tabs.dataset.shown !== keys) {
    tabs.dataset.shown = keys;
    tabs.replaceChildren(...pools.map(tab));
  }
  for (const each of tabs.children) {
    const isShown = each.dataset.key === page.pool;
    each.setAttribute("aria-selected", isShown);
    each.tabIndex = isShown ? 0 : -1;
    if (isShown) $("pool").setAttribute("aria-labelledby", each.id);
  }
  if (pools.length > 1) $("pool").setAttribute("role", "tabpanel");
  else $("pool").removeAttribute("role");
}

function tab(pool, place, pools) {
  const isAlone = pools.filter((each) => each.alias === pool.alias).length === 1;
  const textContent = isAlone ? pool.alias : `${pool.alias} (${pool.kind}, ${pool.server})`;
  const made = node("button", { type: "button", id: `tab-${place}`, textContent });
  made.dataset.key = poolKey(pool);
  made.setAttribute("role", "tab");
  made.setAttribute("aria-controls", "pool");
  made.addEventListener("click", () => choosePool(made));
  return made;
}

function choosePool(chosen) {
  page.pool = chosen.dataset.key;
  show();
  fillTable();
}

function moveAmongTabs(event) {
  const all = [...$("tabs").children];
  const here = all.indexOf(document.activeElement);
  const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = all.at(steps[event.key] % all.length);
  next.focus();
  choosePool(next);
}

// -- the figures -----------------------------------------------------------------------------

function showHead(pool) {
  say("alias", pool.alias);
  const kind = pool.kind === "async" ? "for coroutines" : "for threads";
  const among = pool.processes.length > 1 ? `, ${pool.processes.length} processes in sum` : `, process ${pool.processes[0]}`;
  say("server", `${pool.server}, ${kind}${among}`);
  const [word, className] = stateOf(pool);
  const state = $("state");
  if (state.textContent && state.textContent !== word) page.news = `Pool ${pool.alias}: ${word}`;
  say(state, word);
  state.className = `state ${className}`;
}

function stateOf({ stats }) {
  if (stats.is_closed) return ["closed", "is-bad"];
  if (stats.is_paused) return ["paused", "is-busy"];
  if (stats.circuit !== "closed") return ["server not reachable", "is-bad"];
  if (lately((each) => each.refused, 10) > 0) return ["refusing requests", "is-bad"];
  if (stats.waiting) return ["all in use, requests wait", "is-busy"];
  if (stats.in_use >= stats.max_connections) return ["all in use", "is-busy"];
  return ["connections are free", ""];
}

// What the samples of the last seconds say in sum.
function lately(of, seconds) {
  const recent = page.samples.get(page.pool).filter((each) => each.at > page.data.at - seconds);
  return recent.reduce((sum, each) => sum + of(each), 0);
}

function mostLately(of, seconds) {
  const recent = page.samples.get(page.pool).filter((each) => each.at > page.data.at - seconds);
  return Math.max(0, ...recent.map(of));
}

function showFigures({ stats, window }) {
  const peak = Math.max(stats.in_use, mostLately((each) => each.peak, 60));
  const queue = Math.max(stats.waiting, mostLately((each) => each.longest_queue, 60));
  say("in-use", count(stats.in_use));
  say("max", count(stats.max_connections));
  const dialling = stats.connecting ? `, ${count(stats.connecting)} connecting` : "";
  say("in-use-more", `${count(stats.idle)} idle${dialling}; peak ${count(peak)} in the last minute`);
  say("waiting", count(stats.waiting));
  say("waiting-more", `longest queue in the last minute: ${count(queue)}`);
  const [wait, unit] = time(window.waits_p99).split(NBSP);
  say("p99", wait);
  say("p99-unit", unit);
  say("p99-more", `in the last minute; the longest ever ${time(stats.wait_seconds_max)}`);
  const refused = lately((each) => each.refused, 60);
  say("refused", count(refused));
  say("refused-more", `in the last minute; ${count(stats.refused)} since the start`);
  $("waiting-figure").classList.toggle("is-busy", stats.waiting > 0);
  $("refused-figure").classList.toggle("is-bad", refused > 0);
  const [idle, used] = $("bar").children;
  const part = (value) => `${Math.min(100, (100 * value) / stats.max_connections)}%`;
  idle.setAttribute("width", part(stats.in_use + stats.connecting + stats.idle));
  used.setAttribute("width", part(stats.in_use));
}

// Of many processes those that need most; each has a pool of its own.
function showAdvice({ advice, processes }) {
  const largest = [...advice].sort((one, other) => (other.size ?? 0) - (one.size ?? 0));
  const lines = largest.slice(0, 4).map(({ pid, text }) => {
    const sentence = `${text[0].toUpperCase()}${text.slice(1)}.`;
    return processes.length > 1 ? `Process ${pid}: ${text}.` : sentence;
  });
  if (largest.length > 4) lines.push(`${plural(largest.length - 4, "other process", "other processes")} would do with no more.`);
  fill("advice", lines.map((textContent) => node("li", { textContent })));
}

// Leaves a list as it is, where it says the same as before.
function fill(id, children) {
  const there = [...$(id).children];
  const isSame = there.length === children.length && there.every((each, place) => each.isEqualNode(children[place]));
  if (!isSame) $(id).replaceChildren(...children);
}

// -- charts ----------------------------------------------------------------------------------

const mean = (sample) => (sample.looks ? sample.used / sample.looks : sample.in_use);

const CHARTS = [
  { title: "Connections", limit: true, series: [
    { name: "idle", kind: "area", colour: "of-idle", edge: "of-edge", of: (each) => each.idle, base: (each) => each.in_use + each.idle },
    { name: "in use", kind: "area", colour: "of-used", of: mean },
    { name: "peak", kind: "line", colour: "of-peak", of: (each) => each.peak },
  ] },
  { title: "Waiting, longest queue", series: [
    { name: "", kind: "area", colour: "of-wait", of: (each) => each.longest_queue }] },
  { title: "Wait, p99", words: time, least: 0.001, series: [
    { name: "", kind: "area", colour: "of-wait", of: (each) => (each.waits_p99 > NO_TIME ? each.waits_p99 : 0) }] },
  { title: "Served per second", words: rate, series: [
    { name: "", kind: "area", colour: "of-good", of: (each) => each.acquired / each.seconds }] },
  { title: "Refused per second", words: rate, series: [
    { name: "", kind: "area", colour: "of-bad", of: (each) => each.refused / each.seconds }] },
];

function makeCharts() {
  for (const chart of CHARTS) {
    chart.svg = drawn("svg", { "aria-hidden": "true", focusable: "false" });
    chart.readout = node("span", { className: "readout" });
    const caption = node("figcaption", {}, node("b", { textContent: chart.title }), chart.readout);
    $("charts").append(node("figure", { className: "chart" }, caption, chart.svg));
    chart.svg.addEventListener("pointermove", (event) => point(chart, event));
    chart.svg.addEventListener("pointerleave", () => point(null));
  }
  new ResizeObserver(() => page.data && shownPool() && showCharts(shownPool())).observe($("charts"));
}

const LEFT = 50; // pixels for what stands beside the lines
const BELOW = 18;

function point(chart, event) {
  const box = chart?.svg.getBoundingClientRect();
  const share = chart && (event.clientX - box.left - LEFT) / (box.width - LEFT);
  page.pointed = chart ? Math.min(0, Math.max(-SPAN, Math.round((share - 1) * SPAN))) : null;
  if (page.data && shownPool()) showCharts(shownPool());
}

function showCharts(pool) {
  const samples = page.samples.get(page.pool);
  const ago = page.pointed ?? page.moment;
  const sample = ago ? sampleAt(samples, page.data.at + ago) : samples.at(-1);
  for (const chart of CHARTS) {
    draw(chart, samples, pool.stats.max_connections, ago);
    read(chart, sample, pool.stats.max_connections);
  }
  say("moment-text", ago ? clock(page.data.at + ago) : "now");
}

const sampleAt = (samples, moment) => samples.find((each) => each.at >= moment && each.at - each.seconds <= moment);

function draw({ svg, series, limit, words = count, least = 2 }, samples, max, ago) {
  const { width, height } = svg.getBoundingClientRect();
  if (!width) return;
  const bottom = height - BELOW;
  const topOf = ({ of, base = of }) => Math.max(0, ...samples.map(base));
  const top = nice(Math.max(least, limit ? max * 1.08 : 0, ...series.map(topOf)), words === time);
  const x = (at) => LEFT + (width - LEFT) * (1 - (page.data.at - at) / SPAN);
  const y = (value) => bottom - (bottom - 6) * (value / top);
  const parts = [...grid(x, y, top, words, width, bottom)];
  for (const each of series) {
    parts.push(shape(each, samples, x, y));
    if (each.edge) parts.push(shape({ ...each, kind: "line", colour: each.edge }, samples, x, y));
  }
  if (limit) parts.push(drawn("line", { class: "limit", x1: LEFT, x2: width, y1: y(max), y2: y(max) }));
  if (ago) {
    const at = x(page.data.at + ago).toFixed(1);
    parts.push(drawn("line", { class: "cursor", x1: at, x2: at, y1: 0, y2: bottom }));
  }
  svg.replaceChildren(...parts);
}

// A round number that is not less, and can be halved.
function nice(value, isTime) {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = isTime ? [1, 2, 2.5, 4, 5, 8, 10] : [1, 2, 4, 6, 8, 10];
  return power * steps.find((step) => step * power >= value * 0.9999);
}

function grid(x, y, top, words, width, bottom) {
  const parts = [0, top / 2, top].flatMap((value) => [
    drawn("line", { class: value ? "grid" : "floor", x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
    label(words(value), LEFT - 6, y(value) + 4, "end"),
  ]);
  for (let at = Math.ceil((page.data.at - SPAN) / 60) * 60; at < page.data.at; at += 60) {
    parts.push(drawn("line", { class: "grid", x1: x(at), x2: x(at), y1: 0, y2: bottom }));
    const place = x(at);
    if (place > LEFT + 16 && place < width - 18) parts.push(label(clock(at).slice(0, 5), place, bottom + 14, "middle"));
  }
  return parts;
}

function label(textContent, x, y, anchor) {
  return Object.assign(drawn("text", { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": anchor }), { textContent });
}

function shape({ kind, colour, of, base = of }, samples, x, y) {
  let path = "";
  let end = null;
  for (const each of samples) {
    const left = Math.max(LEFT, x(each.at - each.seconds)).toFixed(1);
    const right = Math.max(LEFT, x(each.at)).toFixed(1);
    const height = y(base(each)).toFixed(1);
    if (kind === "area") path += base(each) ? `M${left} ${y(0)}V${height}H${right}V${y(0)}Z` : "";
    else path += `${end === null || left - end > 2 ? "M" : "L"}${left} ${height}H${right}`;
    end = Number(right);
  }
  return drawn("path", { class: `${kind} ${colour}`, d: path });
}

function read({ readout, series, limit, words = count }, sample, max) {
  const parts = [...series].reverse().map(({ name, kind, colour, of }) => {
    const value = sample ? (name === "in use" ? rate(of(sample)) : words(of(sample))) : "–";
    const mark = node("i", { className: `${colour} ${kind === "line" ? "is-line" : ""}` });
    return node("span", {}, mark, name ? `${name} ` : "", node("b", { textContent: value }));
  });
  if (limit) parts.push(node("span", {}, node("i", { className: "is-limit" }), "limit ", node("b", { textContent: count(max) })));
  readout.replaceChildren(...parts);
}

function moveMoment() {
  page.moment = Number($("moment").value);
  if (!page.data || !shownPool()) return;
  showCharts(shownPool());
  $("moment").setAttribute("aria-valuetext", inWords(page.moment));
}

function inWords(ago) {
  if (!ago) return "now";
  const sample = sampleAt(page.samples.get(page.pool), page.data.at + ago);
  const when = clock(page.data.at + ago);
  if (!sample) return `${when}: nothing is known`;
  return `${when}: peak ${count(sample.peak)} in use, ${count(sample.idle)} idle, ${count(sample.longest_queue)} waiting, `
    + `wait p99 ${time(sample.waits_p99)}, ${count(sample.refused)} refused`;
}

// -- the same as a table ------------------------------------------------------------------------

const STEP = 10; // seconds of a row

// When it is opened and when somebody asks for it: who reads it must not lose the place.
function fillTable() {
  if (!$("as-table").open || !page.data) return;
  const rows = new Map();
  for (const each of page.samples.get(page.pool) ?? []) {
    const start = Math.floor(each.at / STEP) * STEP;
    rows.set(start, [...(rows.get(start) ?? []), each]);
  }
  say("table-caption", `The last five minutes by ${STEP} seconds, the newest first; as of ${clock(page.data.at)}`);
  $("table").replaceChildren(...[...rows].reverse().map(tableRow));
}

function tableRow([start, samples]) {
  const most = (of) => Math.max(...samples.map(of));
  const sum = (of) => samples.reduce((total, each) => total + of(each), 0);
  const texts = [
    rate(sum(mean) / samples.length), count(most((each) => each.peak)), count(samples.at(-1).idle),
    count(most((each) => each.longest_queue)), time(most((each) => each.waits_p99)),
    count(sum((each) => each.acquired)), count(sum((each) => each.refused)),
  ];
  return node("tr", {}, rowHead(clock(start)), ...texts.map((text) => cell(text)));
}

// -- who ------------------------------------------------------------------------------------------

const MOST = 50; // rows

function showHolders({ holders, processes, stats }) {
  document.body.classList.toggle("is-one", processes.length === 1);
  say("holders-count", `${holders.length} of ${stats.max_connections}`);
  const rows = holders.slice(0, MOST).map((each) => node("tr", {},
    rowHead(each.name, ...(each.site ? [node("small", { className: "site", textContent: each.site })] : [])),
    cell(time(each.seconds), "number"),
    node("td", {}, node("code", { textContent: each.last_command ?? "none" })),
    cell(each.pid, "of-many")));
  if (holders.length > MOST) rows.push(rowOf(4, `and ${holders.length - MOST} more`));
  fill("holders", rows.length ? rows : [rowOf(4, "Nobody: every connection is free.")]);
}

function rowOf(columns, textContent) {
  return node("tr", {}, node("td", { colSpan: columns, className: "nothing", textContent }));
}

function showShares({ shares }) {
  const largest = Object.entries(shares).filter(([, share]) => share >= 0.005).slice(0, 6);
  const items = largest.map(([kind, share]) => {
    const bar = drawn("svg", { "aria-hidden": "true", focusable: "false" });
    bar.append(drawn("rect", { width: `${(100 * share).toFixed(1)}%`, height: 5 }));
    return node("li", {}, kind, node("b", { textContent: `${Math.round(100 * share)} %` }), bar);
  });
  fill("shares", items.length ? items : [node("li", { className: "soft", textContent: "Nobody was seen with one yet." })]);
}

function showProcesses({ processes, answered_by: here, at }, pool) {
  say("processes-count", processes.length > 1 ? `${processes.length} of this project` : "this one alone");
  fill("processes", processes.map((each) => {
    const name = rowHead(String(each.pid), ...(each.pid === here ? [" ", node("small", { textContent: "answers this page" })] : []));
    const row = node("tr", { className: pool.processes.includes(each.pid) ? "is-shown" : "" }, name);
    if (each.error) {
      row.append(node("td", { colSpan: 7, className: "nothing", textContent: each.error }));
      return row;
    }
    const own = each.pools.find(({ alias, kind }) => alias === pool.alias && kind === pool.kind);
    const numbers = ["in_use", "idle", "waiting", "max_connections", "acquired"];
    row.append(cell(`${each.program} on ${each.host}`), ...numbers.map((of) => cell(own ? count(own[of]) : "–", "number")),
      cell(time(at - each.started)));
    return row;
  }));
}

function showClients({ server }) {
  const said = page.servers.find((each) => each.server === server);
  const clients = said?.clients ?? [];
  const limit = said?.maxclients ? ` of ${count(said.maxclients)}` : "";
  say("clients-count", said && !said.error ? `${count(said.connected)}${limit} connections` : "");
  $("clients-more").hidden = Boolean(said && !said.error);
  if (said) say("clients-more", said.error ?? "");
  fill("clients", clients.slice(0, MOST).map(({ name, address, connections }) => node("tr", {},
    rowHead(name || node("span", { className: "soft", textContent: "without a name" })),
    cell(address), cell(count(connections), "number"))));
}

// -- totals and settings ----------------------------------------------------------------------------

const TOTALS = [
  ["Connections lent", "acquired"], ["Given back", "released"], ["Waited in line, served or not", "waited"],
  ["Refused", "refused"], ["because it took too long", "timed_out"], ["because the queue was full", "queue_full"],
  ["because the server was away", "unavailable"], ["because the pool was closed", "closed"],
  ["because the server said no", "failed"], ["gave up, or were stopped", "cancelled"],
  ["Connections made", "created"], ["could not be made", "create_failures"],
  ["Held for longer than allowed", "leaked"], ["Given back twice", "double_releases"],
];
const ALWAYS = ["acquired", "waited", "released", "refused", "created"];
const PARTS = ["timed_out", "queue_full", "unavailable", "closed", "failed", "cancelled", "create_failures"];
const BAD = ["refused", "create_failures", "leaked", "double_releases"];

function showTotals({ stats }) {
  const pairs = TOTALS.filter(([, name]) => stats[name] || ALWAYS.includes(name))
    .map(([words, name]) => pair(words, count(stats[name]), name, BAD.includes(name) && stats[name] > 0));
  for (const [reason, number] of Object.entries(stats.discarded)) pairs.push(pair(`Closed: ${reason}`, count(number)));
  const hold = stats.released ? stats.hold_seconds / stats.released : 0;
  const wait = stats.waited ? stats.wait_seconds / stats.waited : 0;
  pairs.push(pair("Held for, on average", time(hold)), pair("Wait of those who waited, on average", time(wait)));
  fill("totals", pairs);
}

const TIMES = ["timeout", "idle_timeout", "max_lifetime", "validate_after", "leak_detection_threshold",
  "housekeeping_interval", "socket_timeout", "socket_connect_timeout", "health_check_interval"];

function showSettings({ settings, processes }) {
  say("settings-title", processes.length > 1 ? "Settings of each process" : "Settings");
  fill("settings", Object.entries(settings).map(([name, value]) => {
    const words = value === null ? "none" : TIMES.includes(name) ? `${value} s` : String(value);
    return pair(name, words);
  }));
}

function pair(term, description, name = "", isBad = false) {
  const made = node("div", { className: isBad ? "is-bad" : "" }, node("dt", { textContent: term }), node("dd", { textContent: description }));
  if (name) made.dataset.name = name;
  made.classList.toggle("is-part", PARTS.includes(name));
  return made;
}

// -- go ------------------------------------------------------------------------------------------------

makeCharts();
$("process").addEventListener("change", () => {
  startAnew();
  page.chosen = $("process").value;
  askForNumbers();
});
$("pause").addEventListener("click", () => {
  page.paused = !page.paused;
  $("pause").setAttribute("aria-pressed", page.paused);
  say("pause", page.paused ? "Resume" : "Pause");
  showLife();
  if (!page.paused) askForNumbers();
});
$("moment").addEventListener("input", moveMoment);
$("tabs").addEventListener("keydown", moveAmongTabs);
$("as-table").addEventListener("toggle", fillTable);
$("renew").addEventListener("click", fillTable);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !page.paused) askForNumbers();
});
setInterval(showLife, 1000);
keepAsking();
