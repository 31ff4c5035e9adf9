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

// What the next good backup would remove, with the numbers that stand in the form.
function showPrune(box, answer) {
    box.replaceChildren();
    box.classList.toggle("bad", !answer.ok);
    element("strong", answer.ok ? answer.words : answer.error, element("p", "", box));
    const list = element("ul", "", box);
    for (const one of answer.goes ?? []) {
        const item = element("li", "", list), link = element("a", one.started_text, item);
        link.href = `/backups/run?${new URLSearchParams({ run: one.run })}`;
        item.append(" ");
        element("span", `${one.type} · ${one.size_text}`, item).className = "soft";
        if (one.strands) {
            element("br", "", item);
            element("strong", one.strands, item);
        }
    }
}

function startPrune(form) {
    const box = document.getElementById("prune"), inputs = [...form.elements].filter((e) => e.name?.startsWith("keep"));
    if (!box) return;
    let timer = 0, number = 0;
    const ask = async () => {
        const mine = ++number;
        const query = new URLSearchParams(inputs.map((input) => [input.name, input.value]));
        try {
            const response = await fetch(`${box.dataset.preview}?${query}`, { headers: { Accept: "application/json" } });
            const answer = await response.json();
            if (mine === number) showPrune(box, answer);
        } catch {
            // No answer: what stands there is of the last one.
        }
    };
    for (const input of inputs) input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 250); });
}

export function start() {
    const form = document.getElementById("schedule-form"), box = document.getElementById("preview");
    if (!form || !box) return;
    startPrune(form);
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
