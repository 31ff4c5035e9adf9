// Presets fill the five fields; what they mean and the next runs are asked for while somebody types.
const NAMES = ["minute", "hour", "day", "month", "weekday"];

function element(tag, text, parent) {
    const e = document.createElement(tag);
    e.textContent = text;
    return parent.appendChild(e);
}

function show(box, answer) {
    box.replaceChildren();
    box.classList.toggle("bad", !answer.ok);
    const words = document.createElement("p");
    element("strong", answer.ok ? answer.words : answer.error, words);
    box.append(words);
    if (!answer.ok) return;
    const list = document.createElement("ol");
    list.className = "next-runs";
    for (const next of answer.next ?? []) {
        const item = element("li", `${next.at_when} `, list);
        element("span", `(${next.at_ago})`, item).className = "soft";
    }
    box.append(list);
}

export function start() {
    const form = document.getElementById("schedule-form"), box = document.getElementById("preview");
    if (!form || !box) return;
    let timer = 0, number = 0;
    const ask = async () => {
        const mine = ++number;
        const query = new URLSearchParams(NAMES.map((name) => [name, form.elements[name].value]));
        try {
            const response = await fetch(`${form.dataset.preview}?${query}`, { headers: { Accept: "application/json" } });
            const answer = await response.json();
            if (mine !== number) return; // somebody typed on
            show(box, answer);
            for (const name of NAMES) {
                const wrong = !answer.ok && answer.field === name;
                form.elements[name].toggleAttribute("aria-invalid", wrong);
                if (wrong) form.elements[name].setAttribute("aria-invalid", "true");
            }
        } catch {
            // No answer: the server says it when the form is saved.
        }
    };
    const soon = () => { clearTimeout(timer); timer = setTimeout(ask, 250); };
    for (const name of NAMES) form.elements[name].addEventListener("input", soon);
    for (const button of form.querySelectorAll("[data-preset]")) {
        button.addEventListener("click", () => {
            const parts = button.dataset.preset.split(" ");
            NAMES.forEach((name, i) => { form.elements[name].value = parts[i]; });
            form.elements.on.checked = true;
            ask();
        });
    }
}
