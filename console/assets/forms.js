const AGAIN_MS = 8000; // an answer that is a file leaves the page, and its buttons, as they are

function enable(form) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
}

// A form is sent once, however often somebody clicks.
export function once(root) {
    root.addEventListener("submit", (event) => {
        const form = event.target;
        if (form.method !== "post" || event.defaultPrevented) return;
        if (form.dataset.sent) { event.preventDefault(); return; }
        form.dataset.sent = "1";
        // After the form's fields were collected: a disabled button would not be sent along.
        setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
        setTimeout(() => enable(form), AGAIN_MS);
    });
    // Coming back with the browser's own button shows the page as it was left.
    window.addEventListener("pageshow", (event) => {
        if (!event.persisted) return;
        document.querySelectorAll("form[data-sent]").forEach(enable);
    });
}
