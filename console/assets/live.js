import { clock, here } from "./shown.js";

// Keeps the parts of a page that carry data-live up to date. The server tells by an event stream that something changed; then
// the page is fetched once more and only what differs is replaced. So there is one place that says how things look: the
// page's template.
const SECOND = 1000;
const AT_MOST_EVERY = 1.5 * SECOND;

let timer = 0, last = 0, running = false, again = false;

// Somebody reads or types there: a replacement would take it away.
function inUse(part) {
    const active = document.activeElement;
    if (active && active !== document.body && part.contains(active) && active.matches("input, select, textarea")) return true;
    return [...part.querySelectorAll("input[type=checkbox]:checked")].some((box) => !box.defaultChecked);
}

// Open details stay open, the focus stays where it is: both are found again by their place in the part.
function replace(part, fresh) {
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    const focusable = "a, button, summary";
    const focus = [...part.querySelectorAll(focusable)].indexOf(document.activeElement);
    part.replaceChildren(...fresh.childNodes);
    for (const e of part.querySelectorAll("[data-script]")) e.hidden = false;
    part.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
    if (focus >= 0) part.querySelectorAll(focusable)[focus]?.focus({ preventScroll: true });
    // "has begun" is true while it goes on, and no longer
    if (!part.querySelector("[data-runs]")) document.querySelector(`main > [data-begun="${part.id}"]`)?.remove();
    part.dispatchEvent(new CustomEvent("live", { bubbles: true }));
}

const shown = new Map(); // id -> the HTML that the server sent last

async function refresh() {
    const response = await fetch(location.href, { headers: { "Elexgate-Background": "1", Accept: "text/html" } });
    if (response.redirected) { location.reload(); return; } // signed out meanwhile
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(part.id);
        // The page as a whole looks different now, such as when a restore has come to its end.
        if (!other || other.dataset.shape !== part.dataset.shape) { location.reload(); return; }
        const html = other.innerHTML;
        const before = shown.get(part.id) ?? part.innerHTML;
        if (html === before || inUse(part)) continue;
        shown.set(part.id, html);
        replace(part, other);
    }
}

// What is on the screen may be old: it says so, with the time of the last look, until the console answers again.
let seen = Date.now(), silent = 0;
function reached() {
    seen = Date.now();
    const note = document.getElementById("offline");
    if (!note || note.hidden) return false;
    note.hidden = true;
    note.className = "";
    return true;
}
function unreachable() {
    const note = document.getElementById("offline");
    if (!note || !note.hidden) return;
    note.textContent = note.dataset.text.replace("{time}", clock(here(seen)));
    note.className = "note bad";
    note.hidden = false;
}

async function run() {
    if (running) { again = true; return; }
    running = true;
    last = Date.now();
    try {
        await refresh();
        reached();
    } catch {
        unreachable(); // the event stream tells when it is back
    }
    running = false;
    if (again) { again = false; soon(); }
}

function soon() {
    if (timer || document.hidden) return;
    timer = setTimeout(() => { timer = 0; run(); }, Math.max(0, last + AT_MOST_EVERY - Date.now()));
}

export function live(url) {
    if (!document.querySelector("[data-live]")) return;
    let stream, retry = 0, began;
    const begin = () => {
        began = Date.now();
        stream = new EventSource(url);
        for (const name of ["status", "job", "sessions"]) stream.addEventListener(name, () => { clearTimeout(silent); silent = 0; if (reached()) last = 0; soon(); });
        // A browser gives up for good when an answer is not a stream, such as while the console restarts.
        stream.onerror = () => {
            silent ||= setTimeout(unreachable, 5 * SECOND); // a restart takes less
            if (stream.readyState !== EventSource.CLOSED) return;
            clearTimeout(retry);
            retry = setTimeout(() => { begin(); soon(); }, Date.now() - began < 10 * SECOND ? 3 * SECOND : 0);
        };
    };
    begin();
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
    window.addEventListener("pagehide", () => stream.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
}
