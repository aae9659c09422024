// The page works without this file. With it, votes are counted in place, the leaderboard
// and the pool's numbers are live, and one button fills the pool on purpose.
"use strict";

const $ = (id) => document.getElementById(id);
const { board: boardUrl, pool: poolUrl, report: reportUrl } = document.body.dataset;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// -- asking the server -----------------------------------------------------------------

let refused = 0;

// Returns the response, or null when the server is gone. Every 503 is counted on the page.
async function ask(what, url, options = {}) {
  try {
    // Without no-store, Chromium lets equal requests wait for each other's answer.
    const headers = { Accept: "application/json" };
    const response = await fetch(url, { cache: "no-store", headers, ...options });
    if (response.status === 503) {
      refused += 1;
      $("refused").classList.add("full");
      $("refused").querySelector("dd").textContent = refused;
      log(503, `${what}: no connection free; try again in ${retryAfter(response)} s`);
    }
    return response;
  } catch {
    return null;
  }
}

const retryAfter = (response) => Number(response.headers.get("Retry-After")) || 1;

function log(status, text) {
  const line = document.createElement("p");
  const code = document.createElement("b");
  code.textContent = status;
  line.append(code, text);
  line.classList.toggle("full", status === 503);
  $("log").prepend(line);
  while ($("log").children.length > 5) $("log").lastChild.remove();
}

// Asks again and again, but never twice at a time, and not while nobody is looking.
async function keepAsking(milliseconds, step) {
  for (;;) {
    if (!document.hidden) await step().catch(() => null); // the next one may go better
    await wait(milliseconds);
  }
}

// -- the leaderboard -------------------------------------------------------------------

let leader = $("board")?.querySelector(".title").textContent;

function showBoard({ total, talks, latest }) {
  if (talks[0].title !== leader) {
    leader = talks[0].title;
    $("news").textContent = `“${leader}” leads now.`; // for those who hear the page
  }
  $("total").textContent = total;
  $("plural").hidden = total === 1;
  moveRows($("board"), talks.map(showTalk));
  $("latest-title").hidden = latest.length === 0;
  $("latest").replaceChildren(...latest.map(latestLine));
}

function showTalk(talk) {
  const row = $("board").querySelector(`[data-slug="${talk.slug}"]`);
  row.querySelector(".rank").textContent = talk.rank;
  row.querySelector(".count").textContent = talk.votes;
  row.querySelector("rect").setAttribute("width", `${talk.width}%`);
  return row;
}

// Puts the rows in their new order, and lets each slide from where it was.
function moveRows(list, rows) {
  if (rows.every((row, place) => list.children[place] === row)) return;
  const before = rows.map((row) => row.offsetTop);
  list.append(...rows);
  if (calm.matches) return;
  rows.forEach((row, place) => {
    const from = `translateY(${before[place] - row.offsetTop}px)`;
    row.animate([{ transform: from }, { transform: "none" }], { duration: 500, easing: "ease-out" });
  });
}

function latestLine({ name, talk }) {
  const line = document.createElement("li");
  const who = document.createElement("b");
  const what = document.createElement("span");
  who.textContent = name;
  what.textContent = talk;
  line.append(who, " ", what);
  return line;
}

// -- voting ----------------------------------------------------------------------------

async function vote(event) {
  event.preventDefault();
  const button = event.submitter;
  const body = new FormData(event.target, button);
  const response = await ask("Your vote", event.target.action, { method: "POST", body });
  if (response?.ok) {
    showBoard(await response.json());
    mark(button.closest("li"));
  } else {
    say(await whyNot(response));
  }
}

function mark(row) {
  row.parentElement.querySelector(".mine")?.classList.remove("mine");
  row.classList.add("mine");
  say(`Counted, thank you. “${leader}” leads.`);
}

async function whyNot(response) {
  if (response?.status === 429) {
    const { limit, window, seconds } = await response.json();
    return `We like your enthusiasm! ${limit} votes in ${window} seconds is the limit: again in ${seconds} s.`;
  }
  if (response?.status === 503) {
    return `The room is full: this vote was not counted. Please try again in ${retryAfter(response)} s.`;
  }
  return "That did not work: this vote was not counted. Please reload the page.";
}

function say(text) {
  $("said").textContent = text;
  $("said").classList.add("loud");
}

// -- the pool --------------------------------------------------------------------------

const seen = []; // [in use, in use and waiting], two a second for a minute

function showPool(pool) {
  for (const number of document.querySelectorAll("[data-number]")) {
    number.textContent = pool[number.dataset.number];
  }
  pool.slots.forEach((state, place) => ($("slots").children[place].dataset.state = state));
  const queue = Array.from({ length: Math.min(pool.waiting, 20) }, () => document.createElement("i"));
  $("queue").replaceChildren(...queue);
  seen.push([pool.in_use, pool.in_use + pool.waiting]);
  if (seen.length > 120) seen.shift();
  const most = Math.max(pool.max, ...seen.map(([, asked]) => asked));
  $("used").setAttribute("d", skyline(seen.map(([used]) => used / most)));
  $("asked").setAttribute("d", skyline(seen.map(([, asked]) => asked / most)));
}

// An outline of bars, newest at the right edge of a 120 by 32 box.
function skyline(heights) {
  const left = 120 - heights.length;
  const steps = heights.map((height) => `V${(32 - 32 * height).toFixed(1)}h1`);
  return `M${left} 32${steps.join("")}V32Z`;
}

// A browser opens six connections to one server: four may be slow, and two are left for
// the leaderboard and for these numbers.
const most = Number(document.querySelector("[data-number=max]").textContent);
const helpers = Math.min(most, 4);
if (most > helpers) $("hold").textContent = `Hold ${helpers} connections for 5 s`;

// Not `disabled` in the meantime: that would take the keyboard's focus away.
async function holdAll() {
  if ($("hold").ariaDisabled === "true") return;
  $("hold").ariaDisabled = "true";
  await Promise.all(Array.from({ length: helpers }, (_, place) => holdOne(place + 1)));
  $("hold").ariaDisabled = "false";
}

async function holdOne(number) {
  const response = await ask(`Report ${number}`, `${reportUrl}?seconds=5`);
  if (response?.ok) {
    const { held } = await response.json();
    log(200, `Report ${number}: held a connection for ${held.toFixed(1)} s`);
  }
}

// -- the 503 page ----------------------------------------------------------------------

// The server said when to come back (Retry-After). Counts down, and then says so: going
// there is left to the reader.
async function countDown(seconds) {
  for (let left = seconds; left > 0; left -= 1) {
    $("countdown").textContent = `in ${left} s`;
    await wait(1000);
  }
  $("countdown").textContent = "any time now";
}

// -- go ----------------------------------------------------------------------------------

keepAsking(500, async () => {
  const response = await ask("The pool's numbers", poolUrl);
  if (response?.ok) showPool(await response.json());
});

if ($("ballot")) {
  $("ballot").addEventListener("submit", vote);
  keepAsking(1000, async () => {
    const response = await ask("The leaderboard", boardUrl);
    if (response?.ok) showBoard(await response.json());
  });
}

if ($("retry")) countDown(Number($("retry").dataset.seconds));

$("refused").hidden = false;
$("hold").hidden = false;
$("hold").addEventListener("click", holdAll);
