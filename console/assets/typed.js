// The session may end while somebody types. What a form held when it was sent waits in this tab, and only here, until the page
// is reached again after signing in. Passwords, files and hidden fields are not kept.
const KEY = "elexgate-typed";
const KEPT = "input:not([type=hidden], [type=password], [type=file]), select, textarea";

function remember(form) {
    const fields = [...form.querySelectorAll(KEPT)].filter((e) => e.name)
        .map((e) => ({ name: e.name, value: e.value, checked: Boolean(e.checked) }));
    const action = form.getAttribute("action");
    sessionStorage.setItem(KEY, JSON.stringify({ page: location.pathname, all: location.pathname + location.search, action, fields }));
}

function fill(form, fields) {
    const rest = [...fields];
    for (const e of form.querySelectorAll(KEPT)) {
        const at = rest.findIndex((f) => f.name === e.name && (e.type !== "radio" || f.value === e.value));
        if (at < 0) continue;
        const [field] = rest.splice(at, 1);
        if (e.type === "checkbox" || e.type === "radio") e.checked = field.checked;
        else e.value = field.value;
        for (let d = e.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    }
}

export function typed(page) {
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (form.method === "post" && page !== "login") remember(form);
    });
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (!kept) return;
    if (page === "login") { sessionStorage.setItem(KEY, JSON.stringify({ ...kept, lost: true })); return; }
    sessionStorage.removeItem(KEY);
    if (!kept.lost || kept.page !== location.pathname) return;
    if (kept.all !== location.pathname + location.search) { // a plan: the way back keeps the path alone
        sessionStorage.setItem(KEY, JSON.stringify(kept));
        location.replace(kept.all);
        return;
    }
    const form = [...document.forms].find((f) => f.getAttribute("action") === kept.action);
    if (form) fill(form, kept.fields);
}
